import { systemClock } from '../../src/core/clock.ts';
import { EarshotError } from '../../src/core/errors.ts';
import type { IceServer, MediaEngine, Peer, PeerHandlers } from '../../src/core/media-engine.ts';
import { opusVersion } from '../rtp/opus.ts';
import type { EngineOptions } from './engine-options.ts';
import { UdpPort } from './udp-port.ts';
import { RETRY_AFTER_SECONDS, WeriftPeer } from './werift-peer.ts';

export interface WeriftEngineOptions extends EngineOptions {
  /** Remote candidates per peer that are used; more are ignored. Default 64. */
  readonly maxCandidates?: number;
  /**
   * Addresses offered as host candidates besides those of the interfaces: the loopback for clients on this machine, the
   * public address of a server behind 1:1 NAT. Default `['127.0.0.1']`.
   */
  readonly additionalHostAddresses?: readonly string[];
  /** Lowest and highest UDP port; the first that is free serves all peers. Default any. */
  readonly portRange?: readonly [number, number];
  /** Room for packets that wait in the kernel; it gives what its own limit allows. Default 4 MiB. */
  readonly receiveBufferBytes?: number;
}

/**
 * WebRTC in TypeScript: ICE and DTLS are werift's, media goes past it. UDP only, one port for all peers, which is opened with the first.
 * Throws `BACKEND_UNAVAILABLE` when libopus is not installed.
 */
export function createWeriftEngine(options: WeriftEngineOptions = {}): MediaEngine {
  opusVersion();
  return new WeriftEngine(options);
}

class WeriftEngine implements MediaEngine {
  readonly id = 'werift';
  readonly iceServers: readonly IceServer[];
  readonly #options: WeriftEngineOptions;
  readonly #maxPeers: number;
  readonly #peers = new Set<WeriftPeer>();
  #port: Promise<UdpPort> | undefined;
  #closed = false;

  constructor(options: WeriftEngineOptions) {
    this.#options = options;
    this.iceServers = options.iceServers ?? [];
    this.#maxPeers = options.maxPeers ?? 200;
  }

  readonly #warn = (message: string, cause?: unknown): void => this.#options.onWarning?.(message, cause);

  get peerCount(): number {
    return this.#peers.size;
  }

  createPeer(handlers: PeerHandlers): Peer {
    if (this.#closed) throw new EarshotError('SERVER_STOPPING', 'The server takes no more connections.');
    if (this.#peers.size >= this.#maxPeers) {
      throw new EarshotError('CAPACITY_EXCEEDED', 'The server has as many connections as it may have.', {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    }
    const options = this.#options;
    const peer = new WeriftPeer({
      handlers,
      iceServers: this.iceServers,
      limits: {
        maxSdpBytes: options.maxSdpBytes ?? 65_536,
        maxTracks: options.maxTracksPerPeer ?? 8,
        maxCandidates: options.maxCandidates ?? 64,
      },
      additionalHostAddresses: options.additionalHostAddresses ?? ['127.0.0.1'],
      openPort: () => this.#openPort(),
      maxPacketsPerSecond: options.maxPacketsPerSecond ?? 2000,
      recovery: options.recovery ?? {},
      idleTimeoutMs: options.idlePeerTimeoutMs ?? 30_000,
      track: { ...options.track, clock: options.clock ?? systemClock },
      warn: this.#warn,
      onClosed: () => this.#peers.delete(peer),
    });
    this.#peers.add(peer);
    return peer;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#peers].map((peer) => peer.close()));
    const port = await this.#port?.catch(() => undefined);
    await port?.close();
  }

  /** Tried anew after it failed: the port may be free then. */
  #openPort(): Promise<UdpPort> {
    const { portRange, receiveBufferBytes = 4 * 1024 * 1024 } = this.#options;
    this.#port ??= UdpPort.open({ range: portRange, receiveBufferBytes, warn: this.#warn });
    this.#port.catch(() => (this.#port = undefined));
    return this.#port;
  }
}
