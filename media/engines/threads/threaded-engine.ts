import { msToSamples } from '../../../src/core/audio.ts';
import { EarshotError } from '../../../src/core/errors.ts';
import type { IceServer, MediaEngine, Peer, PeerHandlers } from '../../../src/core/media-engine.ts';
import { opusVersion } from '../../rtp/opus.ts';
import type { EngineOptions } from '../engine-options.ts';
import { type MediasoupEngineOptions, startMediasoupEngine } from '../mediasoup.ts';
import { createWeriftEngine } from '../werift.ts';
import type { WeriftEngineOptions } from '../werift.ts';
import { MediaThread } from './media-thread-peers.ts';
import type { Sendable, SendableTrack, ThreadEngineOptions } from './messages.ts';

export interface ThreadedWeriftOptions extends Omit<WeriftEngineOptions, 'clock'> {
  /** 0: the engine is in this thread. A range of ports must have one for each. */
  readonly threads: number;
}

export interface ThreadedMediasoupOptions extends Omit<MediasoupEngineOptions, 'clock'> {
  /** Each worker process has a thread of its own; else all are this one's. */
  readonly threads: boolean;
}

const RETRY_AFTER_SECONDS = 5;

/** The engine of the thread with this number. */
type EngineOf = (track: SendableTrack, index: number) => ThreadEngineOptions;

/** `threads` is the most: there are no more than ports. Throws `BACKEND_UNAVAILABLE` when libopus is not installed. */
export function createThreadedEngine({ threads, ...options }: ThreadedWeriftOptions): MediaEngine {
  if (threads === 0) return createWeriftEngine(options);
  opusVersion();
  const [low, high] = options.portRange ?? [0, Infinity];
  return new ThreadedEngine('werift', options, Math.min(threads, high - low + 1), (track) => ({ kind: 'werift', settings: { ...sendable(options), track } }));
}

/** As {@link startMediasoupEngine}, and rejects as it does. */
export async function startThreadedMediasoup({ threads, ...options }: ThreadedMediasoupOptions): Promise<MediaEngine> {
  const { workers = 1, port = 0 } = options;
  if (!threads) return startMediasoupEngine(options);
  opusVersion();
  const engine = new ThreadedEngine('mediasoup', options, workers, (track, index) => ({ kind: 'mediasoup', settings: { ...sendable(options), track, workers: 1, port: port === 0 ? 0 : port + index } }));
  try {
    await engine.started();
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

/**
 * A media engine on several cores: every thread has an engine of its own (with a port of its own) and the peers that were given to it, so that
 * the event loop here has nothing to do for a packet. Peers go where the fewest are. A thread that dies ends its peers, as if their connections
 * had been lost, and is replaced when the next peer needs a place.
 */
class ThreadedEngine implements MediaEngine {
  readonly id: string;
  readonly iceServers: readonly IceServer[];
  readonly #options: EngineOptions;
  readonly #maxThreads: number;
  readonly #engineOf: EngineOf;
  readonly #threads: MediaThread[] = [];
  #closed = false;

  constructor(id: string, options: EngineOptions, threads: number, engineOf: EngineOf) {
    this.id = id;
    this.#options = options;
    this.iceServers = options.iceServers ?? [];
    this.#maxThreads = threads;
    this.#engineOf = engineOf;
  }

  get peerCount(): number {
    return this.#threads.reduce((sum, thread) => sum + thread.peerCount, 0);
  }

  createPeer(handlers: PeerHandlers): Peer {
    if (this.#closed) throw new EarshotError('SERVER_STOPPING', 'The server takes no more connections.');
    if (this.peerCount >= (this.#options.maxPeers ?? 200)) {
      throw new EarshotError('CAPACITY_EXCEEDED', 'The server has as many connections as it may have.', { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    this.#startThreads();
    return this.#threads.reduce((least, thread) => (thread.peerCount < least.peerCount ? thread : least)).createPeer(handlers);
  }

  /** Resolves when every thread has its engine; rejects with what one of them is refused with. */
  async started(): Promise<void> {
    this.#startThreads();
    await Promise.all(this.#threads.map((thread) => thread.started()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  /** All at once, at the latest with the first peer: until then they would only take memory. */
  #startThreads(): void {
    for (let i = 0; i < this.#maxThreads; i += 1) {
      if (this.#threads[i]?.hasEnded !== false) this.#threads[i] = this.#startThread(i);
    }
  }

  #startThread(index: number): MediaThread {
    const { onWarning, track: { observe, ...track } = {} } = this.#options;
    return new MediaThread({
      engine: this.#engineOf(track, index),
      maxQueueSamples: msToSamples(track.maxQueueMs ?? 10_000),
      observe: observe ?? (() => undefined),
      warn: onWarning ?? (() => undefined),
    });
  }
}

/** What does not go to another thread; the track's part goes by itself. */
const STAYS: readonly string[] = ['clock', 'onWarning', 'track'];
const sendable = <Options extends EngineOptions>(options: Options): Omit<Sendable<Options>, 'track'> =>
  Object.fromEntries(Object.entries(options).filter(([name]) => !STAYS.includes(name))) as Omit<Sendable<Options>, 'track'>;
