import { isObject, type Delta } from '../frames.ts';
import { ControlChannel } from '../live/control-channel.ts';
import type { SessionToResume } from '../live/resumable-stream.ts';
import { clientProblem, Problem, toProblem } from '../problem.ts';
import type { Server } from '../server.ts';

/** Time for ICE, DTLS and the control socket together, in milliseconds: UDP, and TCP where the server offers it. */
const CONNECT_TIMEOUT_MS = 6000;
/** A lost path may come back by itself; after this long another way is taken. Until then nothing is lost: see `Capture`. */
const DISCONNECTED_GRACE_MS = 1000;
/** Sound still on its way to the server when the control socket, which is faster, asks for the end. */
const STOP_TAIL_MS = 250;

export interface PeerHandlers {
  delta(delta: Delta): void;
  /** Media flows; the session's time begins about now. */
  connected(): void;
  /** The path is gone after it was there, or the session has ended; at most once, nothing follows. */
  failed(problem: Problem): void;
}

export interface PeerStats {
  readonly roundTripMs?: number;
  /** Packets that the server missed, since the start. */
  readonly packetsLost?: number;
}

/** Sound as an Opus track, by UDP or, where ICE finds nothing better, by TCP; captions come over the control WebSocket. */
export class Peer {
  readonly #server: Server;
  readonly #handlers: PeerHandlers;
  readonly #peer = new RTCPeerConnection();
  readonly #sender: RTCRtpSender;
  readonly #mediaFlows = Promise.withResolvers<void>();
  readonly #controlReady = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  readonly #left = new AbortController();
  readonly #earlyCandidates: (RTCIceCandidateInit | null)[] = [];
  #session: Session | undefined;
  #control: ControlChannel | undefined;
  #graceTimer: ReturnType<typeof setTimeout> | undefined;
  #established = false;
  #finishing = false;

  /** Where browsers have no WebRTC (or people turned it off), throws `WEBRTC_FAILED`. */
  static open(server: Server, stream: MediaStream, track: MediaStreamTrack, handlers: PeerHandlers): Peer {
    if (typeof RTCPeerConnection === 'undefined') throw clientProblem('WEBRTC_FAILED');
    return new Peer(server, stream, track, handlers);
  }

  private constructor(server: Server, stream: MediaStream, track: MediaStreamTrack, handlers: PeerHandlers) {
    this.#server = server;
    this.#handlers = handlers;
    for (const { promise } of [this.#mediaFlows, this.#controlReady, this.#done]) promise.catch(() => undefined);
    this.#sender = this.#peer.addTransceiver(track, { direction: 'sendonly', streams: [stream] }).sender;
    this.#peer.onicecandidate = ({ candidate }) => this.#trickle(candidate?.toJSON() ?? null);
    this.#peer.onconnectionstatechange = () => this.#follow(this.#peer.connectionState);
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
    let roundTripMs: number | undefined;
    let packetsLost: number | undefined;
    const report = await this.#peer.getStats();
    report.forEach((entry: unknown) => {
      if (!isObject(entry)) return;
      if (entry['type'] === 'remote-inbound-rtp' && typeof entry['packetsLost'] === 'number') packetsLost = Math.max(0, entry['packetsLost']);
      const isPath = entry['type'] === 'candidate-pair' && entry['nominated'] === true;
      if (isPath && typeof entry['currentRoundTripTime'] === 'number') roundTripMs = entry['currentRoundTripTime'] * 1000;
    });
    return { ...(roundTripMs !== undefined && { roundTripMs }), ...(packetsLost !== undefined && { packetsLost }) };
  }

  useTrack(track: MediaStreamTrack): Promise<void> {
    return this.#sender.replaceTrack(track);
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
    clearTimeout(this.#graceTimer);
    this.#peer.onconnectionstatechange = null;
    this.#peer.onicecandidate = null;
    this.#peer.close();
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
    await this.#peer.setLocalDescription();
    const body = { ...wish, resumable: true, sdp: this.#peer.localDescription?.toJSON() };
    const session = parseSession(await this.#server.request('POST', 'webrtc/sessions', { body }));
    if (this.#left.signal.aborted) {
      deleteSession(this.#server, session.id);
      return;
    }
    this.#session = session;
    this.#control = new ControlChannel(this.#server, session.controlUrl, {
      ready: () => this.#controlReady.resolve(),
      delta: (delta) => this.#handlers.delta(delta),
      finished: () => this.#serverFinished(),
      failed: (problem) => this.#lose(problem),
    });
    await this.#peer.setRemoteDescription(session.answer);
    for (const candidate of this.#earlyCandidates.splice(0)) this.#trickle(candidate);
    if (session.iceServers.length > 0) await this.#gatherAgain(session);
  }

  /** The relays are known only now that the session exists: gather with them on the same connection. */
  async #gatherAgain(session: Session): Promise<void> {
    this.#peer.setConfiguration({ iceServers: [...session.iceServers] });
    await this.#peer.setLocalDescription(await this.#peer.createOffer({ iceRestart: true }));
    const body = this.#peer.localDescription?.toJSON();
    const answer = await this.#server.request('POST', `webrtc/sessions/${session.id}/offer`, { body, signal: this.#left.signal });
    await this.#peer.setRemoteDescription(parseAnswer(answer));
  }

  #trickle(candidate: RTCIceCandidateInit | null): void {
    if (!this.#session) {
      this.#earlyCandidates.push(candidate);
      return;
    }
    // A candidate that does not arrive may cost the path, and then the connection times out: nothing to do here.
    this.#server.request('POST', `webrtc/sessions/${this.#session.id}/ice`, { body: candidate, signal: this.#left.signal }).catch(() => undefined);
  }

  #follow(state: RTCPeerConnectionState): void {
    clearTimeout(this.#graceTimer);
    switch (state) {
      case 'connected':
        if (!this.#established) this.#handlers.connected();
        this.#mediaFlows.resolve();
        return;
      case 'disconnected':
        if (!this.#finishing) this.#graceTimer = setTimeout(() => this.#lose(clientProblem('CONNECTION_LOST')), DISCONNECTED_GRACE_MS);
        return;
      case 'failed':
      case 'closed':
        this.#lose(clientProblem(this.#established ? 'CONNECTION_LOST' : 'WEBRTC_FAILED'));
        return;
      case 'new':
      case 'connecting':
        return;
    }
  }

  #serverFinished(): void {
    this.#session = undefined;
    if (this.#finishing) this.#done.resolve();
    else this.#lose(clientProblem('CONNECTION_LOST'));
  }
}

interface Session {
  readonly id: string;
  readonly answer: RTCSessionDescriptionInit;
  readonly controlUrl: string;
  readonly resumeToken: string | undefined;
  readonly iceServers: readonly RTCIceServer[];
}

function parseSession(data: unknown): Session {
  const fields = isObject(data) ? data : {};
  const { session_id: id, control_url: controlUrl, ice_servers: iceServers, resume_token: resumeToken } = fields;
  if (typeof id !== 'string' || typeof controlUrl !== 'string') throw new Problem('WEBRTC_FAILED');
  return {
    id,
    controlUrl,
    resumeToken: typeof resumeToken === 'string' ? resumeToken : undefined,
    answer: parseAnswer(fields['answer']),
    iceServers: Array.isArray(iceServers) ? iceServers.filter(isIceServer) : [],
  };
}

function parseAnswer(data: unknown): RTCSessionDescriptionInit {
  if (!isObject(data) || typeof data['sdp'] !== 'string') throw new Problem('WEBRTC_FAILED');
  return { type: 'answer', sdp: data['sdp'] };
}

const isIceServer = (value: unknown): value is RTCIceServer => isObject(value) && 'urls' in value;

/** `keepalive`, so that it also works while the page is being left. A session that is gone already is fine. */
function deleteSession(server: Server, id: string): void {
  server.request('DELETE', `webrtc/sessions/${id}`, { keepalive: true }).catch(() => undefined);
}
