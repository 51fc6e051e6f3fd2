import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { randomNumbers } from './random.ts';

/** What a network does to datagrams, in each direction by itself. */
export interface Impairment {
  /** Share of datagrams that are lost, 0 to 1. Default 0. */
  readonly loss?: number;
  /** Datagrams that a loss takes one after the other, on average (Gilbert's model); 1: each is lost by itself. Default 1. */
  readonly burst?: number;
  /** Time that each datagram takes, in ms. Default 0. */
  readonly delayMs?: number;
  /** Each takes up to so much less or more, evenly spread, and may overtake others by it; at most `delayMs`. In ms, default 0. */
  readonly jitterMs?: number;
  /** The same seed loses and delays the same. Default 1. */
  readonly seed?: number;
}

interface Place {
  readonly address: string;
  readonly port: number;
}

/**
 * A network path of loopback for one WebRTC client: a UDP proxy in front of the server, which knows no other address of either side. As a NAT does, it has
 * a port of its own for each socket of the client's.
 *
 *     client <--> [near] impairment [far, one for each] <--> server
 */
export class ImpairedNetwork implements AsyncDisposable {
  readonly #near = createSocket('udp4');
  /** By the client's address and port. */
  readonly #far = new Map<string, Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #up: Direction;
  readonly #down: Direction;
  #server: Place | undefined;
  #isImpaired = false;

  static async open(impairment: Impairment): Promise<ImpairedNetwork> {
    const network = new ImpairedNetwork(impairment);
    network.#near.bind(0, '127.0.0.1');
    await once(network.#near, 'listening');
    return network;
  }

  private constructor(impairment: Impairment) {
    const { seed = 1 } = impairment;
    this.#up = new Direction(impairment, randomNumbers(seed * 2));
    this.#down = new Direction(impairment, randomNumbers(seed * 2 + 1));
    this.#near.on('message', (data, client) => {
      if (this.#server) this.#pass(data, this.#up, this.#farOf(client), this.#server);
    });
  }

  /** An offer that names no way around this network. */
  offer(sdp: string): string {
    return sdp.replaceAll(/^a=(?:candidate:.*|end-of-candidates)\r\n/gm, '');
  }

  /** The server's answer with this network as the only way to it. */
  answer(sdp: string): string {
    const places = [...sdp.matchAll(/^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host/gim)].map(([, address = '', port]) => ({ address, port: Number(port) }));
    const place = places.find(({ address }) => address === '127.0.0.1') ?? places[0];
    if (!place) throw new Error('the answer has no IPv4 candidate');
    this.#server = place;
    const near = `a=candidate:1 1 udp 2130706431 127.0.0.1 ${this.#near.address().port} typ host\r\n`;
    let isFirst = true;
    return sdp.replaceAll(/^a=candidate:.*\r\n/gm, () => {
      if (!isFirst) return '';
      isFirst = false;
      return near;
    });
  }

  /** Until then everything passes as it comes: for the handshake, whose time is not what is looked at. */
  impair(): void {
    this.#isImpaired = true;
  }

  /** Datagrams of the client's since {@link impair}, and how many of them were lost. */
  get sent(): { readonly datagrams: number; readonly lost: number } {
    return this.#up;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(
      [this.#near, ...this.#far.values()].map((socket) => {
        const closed = once(socket, 'close');
        socket.close();
        return closed;
      }),
    );
  }

  #farOf(client: RemoteInfo): Socket {
    const key = `${client.address} ${client.port}`;
    const known = this.#far.get(key);
    if (known) return known;
    const { address, port } = client;
    const socket = createSocket('udp4').on('message', (data) => this.#pass(data, this.#down, this.#near, { address, port }));
    this.#far.set(key, socket);
    return socket.bind(0, '127.0.0.1');
  }

  #pass(data: Buffer, direction: Direction, socket: Socket, to: Place): void {
    const delayMs = this.#isImpaired ? direction.next() : 0;
    if (delayMs === undefined) return;
    // What cannot be delivered is lost, as on any network.
    const send = (): void => socket.send(data, to.port, to.address, () => undefined);
    if (delayMs === 0) {
      send();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      send();
    }, delayMs);
    this.#timers.add(timer);
  }
}

/** The fate of each datagram that goes one way. */
class Direction {
  datagrams = 0;
  lost = 0;
  readonly #random: () => number;
  readonly #lossAfterLoss: number;
  readonly #lossAfterArrival: number;
  readonly #delayMs: number;
  readonly #jitterMs: number;
  #isLosing = false;

  constructor({ loss = 0, burst = 1, delayMs = 0, jitterMs = 0 }: Impairment, random: () => number) {
    this.#random = random;
    this.#lossAfterLoss = burst > 1 ? 1 - 1 / burst : loss;
    this.#lossAfterArrival = burst > 1 ? loss / (burst * (1 - loss)) : loss;
    this.#delayMs = delayMs;
    this.#jitterMs = Math.min(delayMs, jitterMs);
  }

  /** How long it takes, in ms; undefined if it is lost. */
  next(): number | undefined {
    this.datagrams += 1;
    const delayMs = this.#delayMs + (this.#random() * 2 - 1) * this.#jitterMs;
    this.#isLosing = this.#random() < (this.#isLosing ? this.#lossAfterLoss : this.#lossAfterArrival);
    if (!this.#isLosing) return delayMs;
    this.lost += 1;
    return undefined;
  }
}
