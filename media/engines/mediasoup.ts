import { systemClock } from '../../src/core/clock.ts';
import { EarshotError } from '../../src/core/errors.ts';
import type { IceServer, MediaEngine, Peer, PeerHandlers } from '../../src/core/media-engine.ts';
import { opusVersion } from '../rtp/opus.ts';
import type { EngineOptions } from './engine-options.ts';
import { MediasoupPeer } from './mediasoup-peer.ts';
import { MediaWorkers } from './mediasoup-workers.ts';

export interface MediasoupEngineOptions extends EngineOptions {
  /** Addresses offered besides those of the interfaces: the public one of a server behind a NAT. Default none. */
  readonly announcedAddresses?: readonly string[];
  /** Worker processes. Default 1. */
  readonly workers?: number;
  /** UDP and TCP port of the first worker; each further one takes the next. Default: any that are free. */
  readonly port?: number;
}

const RETRY_AFTER_SECONDS = 5;

/**
 * WebRTC in C++ (mediasoup): UDP and TCP, one port of each per worker, ICE-lite.
 * Rejects with `BACKEND_UNAVAILABLE` where the package, its worker or libopus is not installed, or the port is taken.
 */
export async function startMediasoupEngine(options: MediasoupEngineOptions = {}): Promise<MediaEngine> {
  opusVersion();
  const mediasoup = await import('mediasoup').catch((cause: unknown) => {
    throw new EarshotError('BACKEND_UNAVAILABLE', 'The package mediasoup is not installed.', { cause });
  });
  const workers = await MediaWorkers.start({
    mediasoup,
    count: options.workers ?? 1,
    port: options.port ?? 0,
    clock: options.clock ?? systemClock,
    warn: options.onWarning ?? (() => undefined),
  });
  return new MediasoupEngine(options, workers);
}

class MediasoupEngine implements MediaEngine {
  readonly id = 'mediasoup';
  readonly iceServers: readonly IceServer[];
  readonly #options: MediasoupEngineOptions;
  readonly #workers: MediaWorkers;
  readonly #maxPeers: number;
  readonly #peers = new Set<MediasoupPeer>();
  #closed = false;

  constructor(options: MediasoupEngineOptions, workers: MediaWorkers) {
    this.#options = options;
    this.#workers = workers;
    this.iceServers = options.iceServers ?? [];
    this.#maxPeers = options.maxPeers ?? 200;
  }

  get peerCount(): number {
    return this.#peers.size;
  }

  createPeer(handlers: PeerHandlers): Peer {
    if (this.#closed) throw new EarshotError('SERVER_STOPPING', 'The server takes no more connections.');
    if (this.#peers.size >= this.#maxPeers) {
      throw new EarshotError('CAPACITY_EXCEEDED', 'The server has as many connections as it may have.', { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    const options = this.#options;
    const peer = new MediasoupPeer({
      handlers,
      workers: this.#workers,
      limits: { maxSdpBytes: options.maxSdpBytes ?? 65_536, maxTracks: options.maxTracksPerPeer ?? 8, maxCandidates: 0 },
      announcedAddresses: options.announcedAddresses ?? [],
      recovery: options.recovery ?? {},
      maxPacketsPerSecond: options.maxPacketsPerSecond ?? 2000,
      idleTimeoutMs: options.idlePeerTimeoutMs ?? 30_000,
      track: { ...options.track, clock: options.clock ?? systemClock },
      warn: options.onWarning ?? (() => undefined),
      onClosed: () => this.#peers.delete(peer),
    });
    this.#peers.add(peer);
    return peer;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#peers].map((peer) => peer.close()));
    await this.#workers.close();
  }
}
