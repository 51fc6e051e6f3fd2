import assert from 'node:assert/strict';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { EarshotError } from '../../../src/core/errors.ts';
import type { MediaEngine, Peer, PeerState, RemoteChannel, RemoteTrack } from '../../../src/core/media-engine.ts';

/** What must happen happens long before; a check that waits longer has failed. */
const DEADLINE_MS = 10_000;

export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `${what}: did not happen` })), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again, where nothing tells when it is so. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  const found = Promise.withResolvers<void>();
  const timer = setInterval(() => {
    if (holds()) found.resolve();
  }, 20);
  await within(what, found.promise).finally(() => {
    clearInterval(timer);
  });
}

/** A peer with a record of what it told. */
export class Observed {
  readonly peer: Peer;
  readonly states: PeerState[] = [];
  readonly tracks: RemoteTrack[] = [];
  readonly channels: RemoteChannel[] = [];
  /** How often a new offer was asked for. */
  reconnects = 0;
  readonly #waiting = new Set<() => void>();

  constructor(engine: MediaEngine) {
    this.peer = engine.createPeer({
      track: (track) => {
        this.tracks.push(track);
        this.#look();
      },
      channel: (channel) => {
        this.channels.push(channel);
        this.#look();
      },
      state: (state) => {
        this.states.push(state);
        this.#look();
      },
      reconnect: () => {
        this.reconnects += 1;
        this.#look();
      },
    });
  }

  reached(state: PeerState): Promise<void> {
    return this.#until(`state ${state}`, () => this.states.includes(state));
  }

  /** The last thing told is this state. */
  isIn(state: PeerState): Promise<void> {
    return this.#until(`state ${state}`, () => this.states.at(-1) === state);
  }

  asked(): Promise<void> {
    return this.#until('a new offer is asked for', () => this.reconnects > 0);
  }

  async channel(label: string): Promise<RemoteChannel> {
    const find = (): RemoteChannel | undefined => this.channels.find((channel) => channel.label === label);
    await this.#until(`channel ${label}`, () => find() !== undefined);
    return find() ?? assert.fail();
  }

  async track(index: number): Promise<RemoteTrack> {
    await this.#until(`track ${String(index)}`, () => this.tracks.length > index);
    return this.tracks[index] ?? assert.fail();
  }

  #look(): void {
    for (const look of this.#waiting) look();
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    if (holds()) return;
    let look: () => void = () => undefined;
    const happened = new Promise<void>((resolve) => {
      look = () => {
        if (holds()) resolve();
      };
      this.#waiting.add(look);
    });
    await within(what, happened);
    this.#waiting.delete(look);
  }
}

/** Rejects with our own error class and this code. */
export async function rejectsWith(code: ErrorCode, promise: Promise<unknown>): Promise<void> {
  const outcome = await within(code, promise.then(() => undefined, (error: unknown) => error));
  assert.ok(outcome instanceof EarshotError, `rejects with an EarshotError, not ${String(outcome)}`);
  assert.equal(outcome.code, code);
}

/** Sockets and timers of this process. */
export const activeResources = (): number =>
  process.getActiveResourcesInfo().filter((kind) => kind === 'UDPWrap' || kind === 'UDPSocketWrap' || kind === 'Timeout')
    .length;

export async function resourcesBackTo(count: number): Promise<void> {
  // The one timer of `within` is counted too.
  while (activeResources() > count + 1) await new Promise((resolve) => setImmediate(resolve));
}
