import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import type { MediaEngine } from '../../../src/core/media-engine.ts';
import { Observed, within } from './observed.ts';
import { RtcClient } from './rtc-client.ts';
import { assertTones, hear, render, tones, tonesSamples } from './tones.ts';

export const RECORD = { changeCipherSpec: 20, alert: 21, handshake: 22, data: 23 } as const;
export const MESSAGE = { clientHello: 1, serverHello: 2, helloVerifyRequest: 3 } as const;

/** Somebody on the network with a socket of its own. */
export class Stranger {
  readonly heard: Buffer[] = [];
  readonly #socket: Socket;
  readonly #port: number;

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.on('message', (data) => this.heard.push(data));
  }

  static async at(port: number): Promise<Stranger> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new Stranger(socket, port);
  }

  send(...datagrams: readonly Uint8Array[]): Promise<void[]> {
    return Promise.all(datagrams.map((data) => new Promise<void>((resolve) => this.#socket.send(data, this.#port, '127.0.0.1', () => resolve()))));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

export interface SceneOptions {
  /** What the engine gets in the offer's place. */
  readonly offer?: (offer: string) => string;
  /** What goes over the network in place of what the client sends. */
  readonly sent?: (data: Buffer) => Buffer;
}

/** A client that has its answer and is about to connect. */
export class Scene {
  readonly client = new RtcClient();
  readonly observed: Observed;
  readonly #options: SceneOptions;
  /** What the client has sent to the server that is no STUN, and what it got, in order. */
  readonly sent: Buffer[] = [];
  readonly received: Buffer[] = [];
  #answer = '';

  static async with(engine: MediaEngine, body: (scene: Scene) => Promise<void>, options: SceneOptions = {}): Promise<void> {
    const scene = new Scene(engine, options);
    try {
      await scene.#negotiate();
      await body(scene);
    } finally {
      await scene.client.close();
    }
  }

  private constructor(engine: MediaEngine, options: SceneOptions) {
    this.observed = new Observed(engine);
    this.#options = options;
  }

  get answer(): string {
    return this.#answer;
  }

  /** The engine's, on the loopback. */
  get port(): number {
    return Number(/^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) /m.exec(this.#answer)?.[1]);
  }

  /** Sends as if it were the client: from its own address. */
  async sendAsClient(data: Uint8Array): Promise<void> {
    const nominated = this.#ice.nominated ?? assert.fail('the client is connected');
    await nominated.protocol.sendData(Buffer.from(data), nominated.remoteAddr);
  }

  async connect(): Promise<void> {
    await this.client.accept(this.#answer);
    await within('the client connects', this.client.connected());
    await this.observed.reached('connected');
  }

  /** The session is as it should be: what the client says is heard. */
  async isAlive(): Promise<void> {
    this.client.send(0, tones([440]));
    assertTones(render(await hear(await this.observed.track(0), tonesSamples(1))), [440]);
    assert.deepEqual(this.observed.states, ['connecting', 'connected']);
  }

  get #ice(): RtcClient['connection']['dtlsTransports'][number]['iceTransport']['connection'] {
    return this.client.connection.dtlsTransports[0]?.iceTransport.connection ?? assert.fail();
  }

  async #negotiate(): Promise<void> {
    const { offer = (sdp: string) => sdp, sent = (data: Buffer) => data } = this.#options;
    this.client.addTrack();
    this.#answer = await within('an answer', this.observed.peer.answer(offer(await this.client.offer())));
    const connection = this.#ice;
    const send = connection.send.bind(connection);
    connection.send = (data) => {
      this.sent.push(Buffer.from(data));
      return send(sent(Buffer.from(data)));
    };
    connection.onData.subscribe((data) => this.received.push(data));
  }
}

/** Whether a datagram begins with this handshake message in the clear. */
export const isHandshake = (data: Buffer, message: number): boolean => data[0] === RECORD.handshake && data[13] === message;

/** Nothing tells that something does not come: time enough for what is on its way over the loopback. */
export const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));

export async function until(what: string, holds: () => boolean): Promise<void> {
  const poll = async (): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };
  await within(what, poll());
}
