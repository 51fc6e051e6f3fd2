import { isObject, type Delta } from '../frames.ts';
import { ControlChannel } from '../live/control-channel.ts';
import type { SessionToResume } from '../live/resumable-stream.ts';
import { clientProblem, Problem, toProblem } from '../problem.ts';
import type { Server } from '../server.ts';
import { type LaneStats, parseLaneStats } from './lane-stats.ts';
import { PeerPath, type PathStats } from './peer-path.ts';

/** Time for ICE, DTLS and the control socket together, in milliseconds: UDP, and TCP where the server offers it. */
const CONNECT_TIMEOUT_MS = 6000;
/** The same for another path in a session that is there; the server may have to start another worker first. */
const RETURN_TIMEOUT_MS = 8000;
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

/** A session by WebRTC, for as long as one path lasts: sound over that, captions over the control WebSocket. */
export class Peer {
  readonly #server: Server;
  readonly #handlers: PeerHandlers;
  readonly #mediaFlows = Promise.withResolvers<void>();
  readonly #controlReady = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  readonly #left = new AbortController();
  readonly #path: PeerPath;
  #session: PeerSession | undefined;
  #control: ControlChannel | undefined;
  #established = false;
  #finishing = false;

  /** Where browsers have no WebRTC (or people turned it off), throws `WEBRTC_FAILED`. */
  static open(server: Server, stream: MediaStream, track: MediaStreamTrack, handlers: PeerHandlers): Peer {
    if (typeof RTCPeerConnection === 'undefined') throw clientProblem('WEBRTC_FAILED');
    return new Peer(server, stream, track, handlers);
  }

  /** The same in a session that is there, and goes on another way until {@link takeOver}. */
  static again(server: Server, stream: MediaStream, track: MediaStreamTrack, session: PeerSession, handlers: PeerHandlers): Peer {
    return new Peer(server, stream, track, handlers, session);
  }

  private constructor(server: Server, stream: MediaStream, track: MediaStreamTrack, handlers: PeerHandlers, session?: PeerSession) {
    this.#server = server;
    this.#handlers = handlers;
    this.#session = session;
    for (const { promise } of [this.#mediaFlows, this.#controlReady, this.#done]) promise.catch(() => undefined);
    let isFirst = true;
    this.#path = new PeerPath(server, stream, track, session?.iceServers ?? [], {
      connected: () => {
        if (isFirst) handlers.connected();
        isFirst = false;
        this.#mediaFlows.resolve();
      },
      lost: () => {
        if (!this.#finishing) this.#lose(clientProblem(this.#established ? 'CONNECTION_LOST' : 'WEBRTC_FAILED'));
      },
    });
  }

  /** The session that it has, or had when it was left. */
  get session(): PeerSession | undefined {
    return this.#session;
  }

  /** The path has gone. */
  get isLost(): boolean {
    return this.#path.isClosed;
  }

  /** Begins a session; resolves once media flows. Rejects with `WEBRTC_FAILED` where this network cannot, with the server's own problem where it refuses. */
  async connect(wish: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<void> {
    await this.#open(this.#negotiate(wish), CONNECT_TIMEOUT_MS, signal);
    this.#established = true;
  }

  /** Makes the path, of a peer made by {@link again}. Resolves and rejects as {@link connect}. */
  async reconnect(session: PeerSession, signal: AbortSignal): Promise<void> {
    this.#controlReady.resolve();
    await this.#open(this.#path.negotiate(session.id), RETURN_TIMEOUT_MS, signal);
  }

  /** The session goes on here, behind this event. Where the path is gone again meanwhile, `failed` follows. */
  takeOver(session: PeerSession, afterSeq: number): void {
    this.#established = true;
    this.#control = this.#joinControl(session, afterSeq);
    if (this.isLost) queueMicrotask(() => this.#lose(clientProblem('CONNECTION_LOST')));
  }

  async #open(negotiated: Promise<void>, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const fail = (reason: unknown): void => {
      this.#mediaFlows.reject(reason);
      this.#controlReady.reject(reason);
    };
    const timer = setTimeout(() => fail(clientProblem('WEBRTC_FAILED')), timeoutMs);
    const abort = (): void => fail(signal.reason);
    signal.addEventListener('abort', abort);
    try {
      await Promise.race([negotiated, this.#mediaFlows.promise]);
      await Promise.all([this.#mediaFlows.promise, this.#controlReady.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  async stats(): Promise<PeerStats> {
    const session = this.#session;
    const asked = session && this.#server.request('GET', `webrtc/sessions/${session.id}/stats`, { signal: this.#left.signal }).catch(() => undefined);
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
    this.#session = undefined;
    this.leave();
  }

  /** Goes without a word, so that the session can go on elsewhere; undefined if there is none. Idempotent. */
  leave(): SessionToResume | undefined {
    const session = this.#session;
    const token = session?.resumeToken;
    const left = session && token !== undefined ? { sessionId: session.id, token, afterSeq: this.#control?.lastSeq ?? 0 } : undefined;
    if (this.#left.signal.aborted) return left;
    this.#left.abort();
    this.#path.close();
    this.#control?.close();
    return left;
  }

  /** Goes, and ends the session. */
  abandon(): void {
    this.leave();
    if (this.#session) deleteSession(this.#server, this.#session.id);
    this.#session = undefined;
  }

  #lose(reason: unknown): void {
    if (this.#left.signal.aborted) return;
    this.#mediaFlows.reject(reason);
    this.#controlReady.reject(reason);
    this.#done.reject(reason);
    if (this.#established) this.#handlers.failed(toProblem(reason));
  }

  async #negotiate(wish: Readonly<Record<string, unknown>>): Promise<void> {
    const body = { ...wish, resumable: true, sdp: await this.#path.offer() };
    const { session, answer } = parseSession(await this.#server.request('POST', 'webrtc/sessions', { body }));
    if (this.#left.signal.aborted) {
      deleteSession(this.#server, session.id);
      return;
    }
    this.#session = session;
    this.#control = this.#joinControl(session);
    await this.#path.accept(session.id, answer);
    // The relays are known only now that the session exists.
    if (session.iceServers.length > 0) await this.#path.gatherWith(session.id, session.iceServers);
  }

  #joinControl({ controlUrl }: PeerSession, afterSeq?: number): ControlChannel {
    const handlers = {
      ready: () => this.#controlReady.resolve(),
      delta: (delta: Delta) => this.#handlers.delta(delta),
      // Before the first connection stands, that fails or comes by itself.
      reconnect: () => {
        if (this.#established && !this.#finishing) this.#lose(clientProblem('CONNECTION_LOST'));
      },
      finished: () => this.#serverFinished(),
      failed: (problem: Problem) => this.#lose(problem),
    };
    return new ControlChannel(this.#server, controlUrl, handlers, afterSeq);
  }

  #serverFinished(): void {
    this.#session = undefined;
    if (this.#finishing) this.#done.resolve();
    else this.#lose(clientProblem('CONNECTION_LOST'));
  }
}

/** A session that the server has, whatever way it goes. */
export interface PeerSession {
  readonly id: string;
  readonly controlUrl: string;
  readonly resumeToken: string | undefined;
  readonly iceServers: readonly RTCIceServer[];
}

function parseSession(data: unknown): { readonly session: PeerSession; readonly answer: unknown } {
  const fields = isObject(data) ? data : {};
  const { session_id: id, control_url: controlUrl, ice_servers: iceServers, resume_token: resumeToken, answer } = fields;
  if (typeof id !== 'string' || typeof controlUrl !== 'string') throw new Problem('WEBRTC_FAILED');
  const session = {
    id,
    controlUrl,
    resumeToken: typeof resumeToken === 'string' ? resumeToken : undefined,
    iceServers: Array.isArray(iceServers) ? iceServers.filter(isIceServer) : [],
  };
  return { session, answer };
}

const isIceServer = (value: unknown): value is RTCIceServer => isObject(value) && 'urls' in value;

/** `keepalive`, so that it also works while the page is being left. A session that is gone already is fine. */
function deleteSession(server: Server, id: string): void {
  server.request('DELETE', `webrtc/sessions/${id}`, { keepalive: true }).catch(() => undefined);
}
