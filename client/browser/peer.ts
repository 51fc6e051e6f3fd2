import type { Delta } from '../frames.ts';
import { ControlChannel } from '../live/control-channel.ts';
import { clientProblem, type Problem, toProblem } from '../problem.ts';
import type { Server } from '../server.ts';
import { type LaneStats, parseLaneStats } from './lane-stats.ts';
import { PeerPath, type PathStats } from './peer-path.ts';
import type { PeerSession } from './peer-session.ts';

/** Time for ICE and DTLS together, in milliseconds: UDP, and TCP where the server offers it. It may have to start another worker first. */
const CONNECT_TIMEOUT_MS = 8000;
/** Sound still on its way to the server when the control socket, which is faster, asks for the end. */
const STOP_TAIL_MS = 250;

export interface PeerHandlers {
  delta(delta: Delta): void;
  /** Media flows from about now on. Once. */
  connected(): void;
  /** The path is gone after it was there, or the session has ended; at most once, nothing follows. */
  failed(problem: Problem): void;
}

export interface PeerStats extends PathStats {
  /** What the server counted. */
  readonly lane?: LaneStats;
}

/** A session by WebRTC, for as long as one path lasts: sound over that, captions, from {@link takeOver} on, over the control WebSocket. */
export class Peer {
  readonly #server: Server;
  readonly #session: PeerSession;
  readonly #handlers: PeerHandlers;
  readonly #mediaFlows = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  readonly #left = new AbortController();
  readonly #path: PeerPath;
  #control: ControlChannel | undefined;
  #finishing = false;

  constructor(server: Server, stream: MediaStream, track: MediaStreamTrack, session: PeerSession, handlers: PeerHandlers) {
    this.#server = server;
    this.#session = session;
    this.#handlers = handlers;
    for (const { promise } of [this.#mediaFlows, this.#done]) promise.catch(() => undefined);
    let isFirst = true;
    this.#path = new PeerPath(server, stream, track, session.iceServers, {
      connected: () => {
        if (isFirst) handlers.connected();
        isFirst = false;
        this.#mediaFlows.resolve();
      },
      lost: () => {
        if (!this.#finishing) this.#lose(clientProblem(this.#control ? 'CONNECTION_LOST' : 'WEBRTC_FAILED'));
      },
    });
  }

  /** The path has gone. */
  get isLost(): boolean {
    return this.#path.isClosed;
  }

  /** The last event that came here. */
  get lastSeq(): number {
    return this.#control?.lastSeq ?? 0;
  }

  /** Makes the path, while the session goes on another way. Resolves once media flows. Rejects with `WEBRTC_FAILED` where this network cannot, with the server's own problem where it refuses. */
  async connect(signal: AbortSignal): Promise<void> {
    const fail = (reason: unknown): void => this.#mediaFlows.reject(reason);
    const timer = setTimeout(() => fail(clientProblem('WEBRTC_FAILED')), CONNECT_TIMEOUT_MS);
    const abort = (): void => fail(signal.reason);
    signal.addEventListener('abort', abort);
    try {
      await Promise.race([this.#path.negotiate(this.#session.id), this.#mediaFlows.promise]);
      await this.#mediaFlows.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  /** The session goes on here, behind this event. Where the path is gone again meanwhile, `failed` follows. */
  takeOver(afterSeq: number): void {
    this.#control = this.#joinControl(afterSeq);
    if (this.isLost) queueMicrotask(() => this.#lose(clientProblem('CONNECTION_LOST')));
  }

  async stats(): Promise<PeerStats> {
    const asked = this.#server.request('GET', `webrtc/sessions/${this.#session.id}/stats`, { signal: this.#left.signal }).catch(() => undefined);
    const [path, counted] = await Promise.all([this.#path.stats(), asked]);
    const lane = parseLaneStats(counted);
    return { ...path, ...(lane && { lane }) };
  }

  useTrack(track: MediaStreamTrack): Promise<void> {
    return this.#path.useTrack(track);
  }

  /** Resolves when the last final has come. Rejects with a Problem. */
  async finish(): Promise<void> {
    this.#finishing = true;
    await new Promise((resolve) => setTimeout(resolve, STOP_TAIL_MS));
    this.#control?.finish();
    await this.#done.promise;
    this.leave();
  }

  /** Goes without a word: the session can go on elsewhere. Idempotent. */
  leave(): void {
    this.#left.abort();
    this.#path.close();
    this.#control?.close();
  }

  #lose(reason: unknown): void {
    if (this.#left.signal.aborted) return;
    this.#mediaFlows.reject(reason);
    this.#done.reject(reason);
    if (this.#control) this.#handlers.failed(toProblem(reason));
  }

  #joinControl(afterSeq: number): ControlChannel {
    const handlers = {
      ready: () => undefined,
      delta: (delta: Delta) => this.#handlers.delta(delta),
      reconnect: () => {
        if (!this.#finishing) this.#lose(clientProblem('CONNECTION_LOST'));
      },
      finished: () => {
        if (this.#finishing) this.#done.resolve();
        else this.#lose(clientProblem('CONNECTION_LOST'));
      },
      failed: (problem: Problem) => this.#lose(problem),
    };
    return new ControlChannel(this.#server, this.#session.controlUrl, handlers, afterSeq);
  }
}
