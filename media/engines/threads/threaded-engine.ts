import { msToSamples } from '../../../src/core/audio.ts';
import { EarshotError } from '../../../src/core/errors.ts';
import type { IceServer, MediaEngine, Peer, PeerHandlers } from '../../../src/core/media-engine.ts';
import { opusVersion } from '../../rtp/opus.ts';
import type { EngineOptions } from '../engine-options.ts';
import { type MediasoupEngineOptions, startMediasoupEngine } from '../mediasoup.ts';
import { placeFor } from '../placement.ts';
import { createWeriftEngine } from '../werift.ts';
import type { WeriftEngineOptions } from '../werift.ts';
import { MediaThread } from './media-thread-peers.ts';
import type { Sendable, SendableTrack, ThreadEngineOptions } from './messages.ts';

interface ThreadsOptions {
  /** A thread that has so many is full: the next one is used. Default 100. */
  readonly peersPerThread?: number;
}

export interface ThreadedWeriftOptions extends Omit<WeriftEngineOptions, 'clock'>, ThreadsOptions {
  /** 0: the engine is in this thread. A range of ports must have one for each. */
  readonly threads: number;
}

export interface ThreadedMediasoupOptions extends Omit<MediasoupEngineOptions, 'clock'>, ThreadsOptions {
  /** Each worker process has a thread of its own; else all are this one's. */
  readonly threads: boolean;
}

const RETRY_AFTER_SECONDS = 5;
/** So many fill half a core on a slow machine. */
const PEERS_PER_THREAD = 100;

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
 * the event loop here has nothing to do for a packet. One thread is filled after the other ({@link placeFor}). A thread that dies ends its peers, as if their connections
 * had been lost, and is replaced when a peer needs its place.
 */
class ThreadedEngine implements MediaEngine {
  readonly id: string;
  readonly iceServers: readonly IceServer[];
  readonly #options: EngineOptions & ThreadsOptions;
  readonly #maxThreads: number;
  readonly #engineOf: EngineOf;
  readonly #threads: MediaThread[] = [];
  #closed = false;

  constructor(id: string, options: EngineOptions & ThreadsOptions, threads: number, engineOf: EngineOf) {
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
    return this.#placeForPeer().createPeer(handlers);
  }

  /** Resolves when every thread has its engine; rejects with what one of them is refused with. */
  async started(): Promise<void> {
    while (this.#threads.length < this.#maxThreads) this.#startThread(this.#threads.length);
    await Promise.all(this.#threads.map((thread) => thread.started()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  /** One that is not running is started when those that are have as many peers as they may: until then it would only take memory. */
  #placeForPeer(): MediaThread {
    const { peersPerThread = PEERS_PER_THREAD } = this.#options;
    const running = this.#threads.filter(({ hasEnded }) => !hasEnded);
    const thread = placeFor(running, ({ peerCount }) => peerCount, peersPerThread);
    if (thread && (thread.peerCount < peersPerThread || running.length === this.#maxThreads)) return thread;
    const ended = this.#threads.findIndex(({ hasEnded }) => hasEnded);
    return this.#startThread(ended < 0 ? this.#threads.length : ended);
  }

  #startThread(index: number): MediaThread {
    const { onWarning, track: { observe, ...track } = {} } = this.#options;
    return (this.#threads[index] = new MediaThread({
      engine: this.#engineOf(track, index),
      maxQueueSamples: msToSamples(track.maxQueueMs ?? 10_000),
      observe: observe ?? (() => undefined),
      warn: onWarning ?? (() => undefined),
    }));
  }
}

/** What does not go to another thread; the track's part goes by itself. */
const STAYS: readonly string[] = ['clock', 'onWarning', 'track', 'peersPerThread'];
const sendable = <Options extends EngineOptions>(options: Options): Omit<Sendable<Options>, 'track'> =>
  Object.fromEntries(Object.entries(options).filter(([name]) => !STAYS.includes(name))) as Omit<Sendable<Options>, 'track'>;
