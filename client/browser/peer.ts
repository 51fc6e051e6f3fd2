import { isObject, type Delta } from '../frames.ts';
import { ControlChannel } from '../live/control-channel.ts';
import type { SessionToResume } from '../live/resumable-stream.ts';
import { clientProblem, Problem, toProblem } from '../problem.ts';
import type { Server } from '../server.ts';
import { type LaneStats, parseLaneStats } from './lane-stats.ts';
import { PeerPath, type PathStats } from './peer-path.ts';

/** Time for ICE, DTLS and the control socket together, in milliseconds: UDP, and TCP where the server offers it. */
const CONNECT_TIMEOUT_MS = 6000;
/** The same for another path; the server may have to start another worker first. */
const RECONNECT_TIMEOUT_MS = 8000;
/** Sound still on its way to the server when the control socket, which is faster, asks for the end. */
const STOP_TAIL_MS = 250;

export interface PeerHandlers {
  delta(delta: Delta): void;
  /** Media flows; the session's time begins about now. Once. */
  connected(): void;
  /** The server has lost the path and another is being made: `resumed` follows, or `failed`. What is said meanwhile is a gap. */
  interrupted(): void;
  resumed(): void;
  /** The path is gone after it was there, or the session has ended; at most once, nothing follows. */
  failed(problem: Problem): void;
}

export interface PeerStats extends PathStats {
  /** What the server counted. */
  readonly lane?: LaneStats;
}

/** A session by WebRTC: sound over one path, or over the one that takes its place where the server asks for it; captions over the control WebSocket. */
export class Peer {
  readonly #server: Server;
  readonly #stream: MediaStream;
  readonly #handlers: PeerHandlers;
  readonly #mediaFlows = Promise.withResolvers<void>();
  readonly #controlReady = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  readonly #left = new AbortController();
  #track: MediaStreamTrack;
  #path: PeerPath;
  #session: Session | undefined;
  #control: ControlChannel | undefined;
  #established = false;
  #finishing = false;
  #reconnecting: Promise<void> = Promise.resolve();

  /** Where browsers have no WebRTC (or people turned it off), throws `WEBRTC_FAILED`. */
  static open(server: Server, stream: MediaStream, track: MediaStreamTrack, handlers: PeerHandlers): Peer {
    if (typeof RTCPeerConnection === 'undefined') throw clientProblem('WEBRTC_FAILED');
    return new Peer(server, stream, track, handlers);
  }

  private constructor(server: Server, stream: MediaStream, track: MediaStreamTrack, handlers: PeerHandlers) {
    this.#server = server;
    this.#stream = stream;
    this.#track = track;
    this.#handlers = handlers;
    for (const { promise } of [this.#mediaFlows, this.#controlReady, this.#done]) promise.catch(() => undefined);
    this.#path = this.#newPath([], {
      connected: () => {
        if (!this.#established) handlers.connected();
        this.#mediaFlows.resolve();
      },
    });
  }

  /** Resolves once media flows. Rejects with `WEBRTC_FAILED` where this network cannot, with the server's own problem where it refuses. */
  async connect(wish: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<void> {
    const fail = (reason: unknown): void => {
      this.#mediaFlows.reject(reason);
      this.#controlReady.reject(reason);
    };
    const timer = setTimeout(() => fail(clientProblem('WEBRTC_FAILED')), CONNECT_TIMEOUT_MS);
    const abort = (): void => fail(signal.reason);
    signal.addEventListener('abort', abort);
    try {
      await Promise.race([this.#negotiate(wish), this.#mediaFlows.promise]);
      await Promise.all([this.#mediaFlows.promise, this.#controlReady.promise]);
      this.#established = true;
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
    this.#track = track;
    return this.#path.useTrack(track);
  }

  /** Resolves when the last final has come. Rejects with a Problem. */
  async finish(): Promise<void> {
    await this.#reconnecting;
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

  #newPath(iceServers: readonly RTCIceServer[], { connected }: { readonly connected: () => void }): PeerPath {
    return new PeerPath(this.#server, this.#stream, this.#track, iceServers, {
      connected,
      lost: () => {
        if (!this.#finishing) this.#lose(clientProblem(this.#established ? 'CONNECTION_LOST' : 'WEBRTC_FAILED'));
      },
    });
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
    this.#control = new ControlChannel(this.#server, session.controlUrl, {
      ready: () => this.#controlReady.resolve(),
      delta: (delta) => this.#handlers.delta(delta),
      reconnect: () => this.#reconnect(session),
      finished: () => this.#serverFinished(),
      failed: (problem) => this.#lose(problem),
    });
    await this.#path.accept(session.id, answer);
    // The relays are known only now that the session exists.
    if (session.iceServers.length > 0) await this.#path.gatherWith(session.id, session.iceServers);
  }

  /** The server has lost the path, and kept the session: another path goes on in it. */
  #reconnect(session: Session): void {
    if (!this.#established || this.#finishing || this.#left.signal.aborted) return;
    this.#path.close();
    this.#handlers.interrupted();
    const flows = Promise.withResolvers<void>();
    const path = this.#newPath(session.iceServers, { connected: flows.resolve });
    this.#path = path;
    const timer = setTimeout(flows.reject, RECONNECT_TIMEOUT_MS);
    this.#reconnecting = Promise.all([path.negotiate(session.id), flows.promise]).then(
      () => {
        if (this.#path === path && !path.isClosed) this.#handlers.resumed();
      },
      () => {
        if (this.#path === path) this.#lose(clientProblem('CONNECTION_LOST'));
      },
    ).finally(() => clearTimeout(timer));
  }

  #serverFinished(): void {
    this.#session = undefined;
    if (this.#finishing) this.#done.resolve();
    else this.#lose(clientProblem('CONNECTION_LOST'));
  }
}

interface Session {
  readonly id: string;
  readonly controlUrl: string;
  readonly resumeToken: string | undefined;
  readonly iceServers: readonly RTCIceServer[];
}

function parseSession(data: unknown): { readonly session: Session; readonly answer: unknown } {
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
