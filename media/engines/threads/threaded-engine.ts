import { msToSamples } from '../../../src/core/audio.ts';
import { EarshotError } from '../../../src/core/errors.ts';
import type { IceServer, MediaEngine, Peer, PeerHandlers } from '../../../src/core/media-engine.ts';
import { opusVersion } from '../../rtp/opus.ts';
import { createWeriftEngine } from '../werift.ts';
import type { WeriftEngineOptions } from '../werift.ts';
import { MediaThread } from './media-thread-peers.ts';

export interface ThreadedEngineOptions extends Omit<WeriftEngineOptions, 'clock'> {
  /** 0: the engine is in this thread. A range of ports must have one for each. */
  readonly threads: number;
}

const RETRY_AFTER_SECONDS = 5;

/**
 * A media engine on several cores: every thread has an engine of its own (with a port of its own) and the peers that were given to it, so that
 * the event loop here has nothing to do for a packet. Peers go where the fewest are. A thread that dies ends its peers, as if their connections
 * had been lost, and is replaced when the next peer needs a place.
 * `threads` is the most: there are no more than ports. Throws `BACKEND_UNAVAILABLE` when libopus is not installed.
 */
export function createThreadedEngine({ threads, ...options }: ThreadedEngineOptions): MediaEngine {
  if (threads === 0) return createWeriftEngine(options);
  opusVersion();
  const [low, high] = options.portRange ?? [0, Infinity];
  return new ThreadedEngine(options, Math.min(threads, high - low + 1));
}

class ThreadedEngine implements MediaEngine {
  readonly id = 'werift';
  readonly iceServers: readonly IceServer[];
  readonly #options: Omit<WeriftEngineOptions, 'clock'>;
  readonly #maxThreads: number;
  readonly #threads: MediaThread[] = [];
  #closed = false;

  constructor(options: Omit<WeriftEngineOptions, 'clock'>, threads: number) {
    this.#options = options;
    this.iceServers = options.iceServers ?? [];
    this.#maxThreads = threads;
  }

  get peerCount(): number {
    return this.#threads.reduce((sum, thread) => sum + thread.peerCount, 0);
  }

  createPeer(handlers: PeerHandlers): Peer {
    if (this.#closed) throw new EarshotError('SERVER_STOPPING', 'The server takes no more connections.');
    if (this.peerCount >= (this.#options.maxPeers ?? 200)) {
      throw new EarshotError('CAPACITY_EXCEEDED', 'The server has as many connections as it may have.', { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    return this.#leastLoaded().createPeer(handlers);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  #leastLoaded(): MediaThread {
    // All with the first peer: until then they would only take memory.
    for (let i = 0; i < this.#maxThreads; i += 1) {
      if (this.#threads[i]?.hasEnded !== false) this.#threads[i] = this.#startThread();
    }
    return this.#threads.reduce((least, thread) => (thread.peerCount < least.peerCount ? thread : least));
  }

  #startThread(): MediaThread {
    const { onWarning, track: { observe, ...track } = {}, ...engine } = this.#options;
    return new MediaThread({
      engine: { ...engine, track },
      maxQueueSamples: msToSamples(track.maxQueueMs ?? 10_000),
      observe: observe ?? (() => undefined),
      warn: onWarning ?? (() => undefined),
    });
  }
}

