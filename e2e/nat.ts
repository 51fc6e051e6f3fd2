import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Page } from 'playwright-core';

/** Runs in the page: the server is known by the NAT's address only, and does not hear of the browser's own. */
const BEHIND_NAT = `
  const withoutCandidates = (sdp) => sdp.split('\\r\\n').filter((line) => !line.startsWith('a=candidate:')).join('\\r\\n');
  window.RTCPeerConnection = class extends RTCPeerConnection {
    get localDescription() {
      const description = super.localDescription;
      return description && new RTCSessionDescription({ type: description.type, sdp: withoutCandidates(description.sdp) });
    }
    async setRemoteDescription({ type, sdp }) {
      const [, port] = /^a=candidate:\\S+ 1 udp \\d+ 127\\.0\\.0\\.1 (\\d+) typ host/im.exec(sdp);
      const outside = await window.portBehindNat(Number(port));
      const candidate = 'a=candidate:1 1 udp 2122260223 127.0.0.1 ' + outside + ' typ host\\r\\n';
      await super.setRemoteDescription({ type, sdp: withoutCandidates(sdp) + candidate });
    }
  };
`;

/**
 * A NAT between a browser and the server, both on this machine, that forgets whom it knows when it is told to: then the same browser has another port for the
 * server, and nobody has told either of them.
 *
 *     browser :b <---> :inside [NAT] :x, later :y <---> server
 */
export class Nat implements AsyncDisposable {
  readonly #inside = createSocket('udp4');
  readonly #outside = new Map<number, Socket>();
  #serverPort = 0;

  static async open(page: Page): Promise<Nat> {
    const nat = new Nat();
    nat.#inside.bind(0, '127.0.0.1');
    await once(nat.#inside, 'listening');
    nat.#inside.on('message', (data, from) => nat.#outsideOf(from.port).send(data, nat.#serverPort, '127.0.0.1'));
    await page.exposeFunction('portBehindNat', (serverPort: number) => {
      nat.#serverPort = serverPort;
      return nat.#inside.address().port;
    });
    await page.route('**/ice', (route) => route.fulfill({ status: 204 }));
    await page.addInitScript(BEHIND_NAT);
    return nat;
  }

  /** The ports that the server knows are nobody's any more. */
  forget(): void {
    for (const socket of this.#outside.values()) socket.close();
    this.#outside.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.forget();
    this.#inside.close();
    await once(this.#inside, 'close');
  }

  #outsideOf(browserPort: number): Socket {
    const known = this.#outside.get(browserPort);
    if (known) return known;
    const socket = createSocket('udp4');
    this.#outside.set(browserPort, socket);
    socket.on('message', (data) => this.#inside.send(data, browserPort, '127.0.0.1'));
    return socket;
  }
}
