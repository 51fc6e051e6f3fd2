import { EarshotError } from '../../../src/core/errors.ts';
import type { IceCandidate, Peer, PeerHandlers, PeerState, RemoteChannel } from '../../../src/core/media-engine.ts';
import type { ObserveStage } from '../../../src/core/stages.ts';
import { LaneQueue } from '../../rtp/lane-queue.ts';
import { readAudioBatch } from './audio-batch.ts';
import { MediaThreadLink } from './media-thread-link.ts';
import { readOriginMs, readStats } from './shared-stats.ts';
import type { ThreadEngineOptions, ThreadEvent } from './messages.ts';

export interface MediaThreadOptions {
  readonly engine: ThreadEngineOptions;
  /** Audio that may wait for a lane. */
  readonly maxQueueSamples: number;
  readonly observe: ObserveStage;
  readonly warn: (message: string, cause?: unknown) => void;
}

interface RemotePeer {
  readonly handlers: PeerHandlers;
  state: PeerState | undefined;
}

interface Channel {
  readonly handlers: { message(data: string | Uint8Array): void; closed(): void };
}

/** One media thread with its peers, as the main thread sees them. */
export class MediaThread {
  readonly #options: MediaThreadOptions;
  readonly #link: MediaThreadLink;
  readonly #peers = new Map<number, RemotePeer>();
  readonly #tracks = new Map<number, LaneQueue>();
  readonly #channels = new Map<number, Channel>();
  #lastPeer = 0;
  #isClosing = false;
  hasEnded = false;

  constructor(options: MediaThreadOptions) {
    this.#options = options;
    this.#link = new MediaThreadLink(options.engine, { event: (event) => this.#receive(event), ended: (cause) => this.#end(cause) });
  }

  get peerCount(): number {
    return this.#peers.size;
  }

  createPeer(handlers: PeerHandlers): Peer {
    const id = (this.#lastPeer += 1);
    this.#peers.set(id, { handlers, state: undefined });
    this.#link.tell({ kind: 'create', peer: id });
    return {
      answer: (sdp) => this.#link.ask({ kind: 'answer', peer: id, sdp }),
      addCandidate: async (candidate: IceCandidate | null) => {
        await this.#link.ask({ kind: 'candidate', peer: id, candidate });
      },
      close: async () => {
        // A thread that has ended has closed its peers.
        await this.#link.ask({ kind: 'close', peer: id }).catch(() => undefined);
      },
    };
  }

  /** Resolves when the engine has started; rejects with why it cannot. */
  async started(): Promise<void> {
    await this.#link.ask({ kind: 'start' });
  }

  /** Closes the peers, then ends the thread. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#link.ask({ kind: 'stop' }).catch(() => undefined);
    await this.#link.terminate();
  }

  #receive(event: ThreadEvent): void {
    switch (event.kind) {
      case 'audio':
        readAudioBatch(event.batch, (track, item) => this.#tracks.get(track)?.push(item));
        break;
      case 'stages':
        for (const [stage, durationMs] of event.observed) this.#options.observe(stage, durationMs);
        break;
      case 'state':
        this.#setState(event.peer, event.state);
        break;
      case 'reconnect':
        this.#reconnect(event.peer);
        break;
      case 'track':
        this.#addTrack(event);
        break;
      case 'track-end':
        this.#tracks.get(event.track)?.end();
        this.#tracks.delete(event.track);
        break;
      case 'channel':
        this.#addChannel(event.peer, event.channel, event.label);
        break;
      case 'message':
        this.#channels.get(event.channel)?.handlers.message(event.data);
        break;
      case 'channel-end':
        this.#endChannel(event.channel);
        break;
      case 'warning':
        this.#options.warn(event.message, event.reason);
        break;
      case 'done':
      case 'failed':
        break;
    }
  }

  #setState(id: number, state: PeerState): void {
    const peer = this.#peers.get(id);
    if (!peer || peer.state === state) return;
    peer.state = state;
    if (state === 'closed') this.#peers.delete(id);
    this.#guard('state', () => peer.handlers.state(state));
  }

  #reconnect(id: number): void {
    const peer = this.#peers.get(id);
    this.#guard('reconnect', () => peer?.handlers.reconnect?.());
  }

  #addTrack({ peer: peerId, track: id, label, stats }: Extract<ThreadEvent, { kind: 'track' }>): void {
    const peer = this.#peers.get(peerId);
    const close = (): void => this.#link.tell({ kind: 'close-track', track: id });
    const queue = new LaneQueue(this.#options.maxQueueSamples, { discarded: close, taken: () => undefined });
    this.#tracks.set(id, queue);
    if (!peer) {
      close();
      return;
    }
    const source = {
      close,
      retract: () => this.#link.tell({ kind: 'retract', track: id }),
      get originMs() {
        return readOriginMs(stats);
      },
      [Symbol.asyncIterator]: () => queue[Symbol.asyncIterator](),
    };
    this.#guard('track', () => peer.handlers.track({ label, source, stats: () => readStats(stats) }));
  }

  #addChannel(peerId: number, id: number, label: string): void {
    const peer = this.#peers.get(peerId);
    const channel: RemoteChannel = {
      label,
      listen: (handlers) => {
        this.#channels.set(id, { handlers });
        this.#link.tell({ kind: 'listen', channel: id });
      },
      send: async (text) => {
        await this.#link.ask({ kind: 'send', channel: id, text }).catch(() => undefined);
      },
      close: () => this.#link.tell({ kind: 'close-channel', channel: id }),
    };
    this.#guard('channel', () => peer?.handlers.channel?.(channel));
  }

  #endChannel(id: number): void {
    const channel = this.#channels.get(id);
    this.#channels.delete(id);
    channel?.handlers.closed();
  }

  #end(cause: unknown): void {
    this.hasEnded = true;
    if (!this.#isClosing) this.#options.warn('A media thread has ended; its connections are lost.', cause ?? new EarshotError('INTERNAL', 'It said no reason.'));
    for (const queue of this.#tracks.values()) queue.end();
    this.#tracks.clear();
    for (const id of this.#channels.keys()) this.#endChannel(id);
    for (const id of this.#peers.keys()) this.#setState(id, 'closed');
  }

  #guard(handler: string, call: () => void): void {
    try {
      call();
    } catch (cause) {
      this.#options.warn(`The peer's ${handler} handler threw.`, cause);
    }
  }
}
