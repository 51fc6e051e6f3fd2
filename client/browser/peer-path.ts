import { isObject } from '../frames.ts';
import { clientProblem } from '../problem.ts';
import type { Server } from '../server.ts';

/** A lost path may come back by itself; after this long it is taken for dead. Until then nothing is lost: see `Capture`. */
const DISCONNECTED_GRACE_MS = 1000;
/** Within this time of its beginning a path is still being chosen. */
const CHOICE_MS = 3000;

export interface PathHandlers {
  connected(): void;
  /** It cannot connect, or is dead; at most once, nothing follows. */
  lost(): void;
}

/** What the browser measures of a path. */
export interface PathStats {
  readonly roundTripMs?: number;
  /** Packets that the server missed, since the path began. */
  readonly packetsLost?: number;
}

/** One peer connection of a session: sound as an Opus track, by UDP or, where ICE finds nothing better, by TCP. */
export class PeerPath {
  readonly #server: Server;
  readonly #handlers: PathHandlers;
  readonly #connection: RTCPeerConnection;
  readonly #sender: RTCRtpSender;
  readonly #closed = new AbortController();
  readonly #earlyCandidates: (RTCIceCandidateInit | null)[] = [];
  #sessionId: string | undefined;
  #graceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(server: Server, stream: MediaStream, track: MediaStreamTrack, iceServers: readonly RTCIceServer[], handlers: PathHandlers) {
    this.#server = server;
    this.#handlers = handlers;
    this.#connection = new RTCPeerConnection({ iceServers: [...iceServers] });
    this.#sender = this.#connection.addTransceiver(track, { direction: 'sendonly', streams: [stream] }).sender;
    this.#connection.onicecandidate = ({ candidate }) => this.#trickle(candidate?.toJSON() ?? null);
    this.#connection.onconnectionstatechange = () => this.#follow(this.#connection.connectionState);
  }

  get isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** Posts an offer to the session and takes its answer; candidates follow. */
  async negotiate(sessionId: string): Promise<void> {
    await this.#connection.setLocalDescription();
    const body = this.#connection.localDescription?.toJSON();
    const answer = await this.#server.request('POST', `webrtc/sessions/${sessionId}/offer`, { body, signal: this.#closed.signal });
    this.#sessionId = sessionId;
    await this.#connection.setRemoteDescription(parseAnswer(answer));
    for (const candidate of this.#earlyCandidates.splice(0)) this.#trickle(candidate);
  }

  useTrack(track: MediaStreamTrack): Promise<void> {
    return this.#sender.replaceTrack(track);
  }

  async stats(): Promise<PathStats> {
    let stats: PathStats = {};
    const report = await this.#connection.getStats();
    report.forEach((entry: unknown) => {
      if (!isObject(entry)) return;
      if (entry['type'] === 'remote-inbound-rtp' && typeof entry['packetsLost'] === 'number') stats = { ...stats, packetsLost: Math.max(0, entry['packetsLost']) };
      const isPath = entry['type'] === 'candidate-pair' && entry['nominated'] === true;
      if (isPath && typeof entry['currentRoundTripTime'] === 'number') stats = { ...stats, roundTripMs: entry['currentRoundTripTime'] * 1000 };
    });
    return stats;
  }

  /** Idempotent; no handler is called afterwards. */
  close(): void {
    this.#closed.abort();
    clearTimeout(this.#graceTimer);
    this.#connection.onconnectionstatechange = null;
    this.#connection.onicecandidate = null;
    this.#connection.close();
  }

  #trickle(candidate: RTCIceCandidateInit | null): void {
    if (this.#sessionId === undefined) {
      this.#earlyCandidates.push(candidate);
      return;
    }
    // A candidate that does not arrive may cost the path, and then the connection times out: nothing to do here.
    this.#server.request('POST', `webrtc/sessions/${this.#sessionId}/ice`, { body: candidate, signal: this.#closed.signal }).catch(() => undefined);
  }

  #follow(state: RTCPeerConnectionState): void {
    clearTimeout(this.#graceTimer);
    if (state === 'connected') {
      this.#watchNetwork();
      this.#handlers.connected();
    }
    else if (state === 'disconnected') this.#graceTimer = setTimeout(() => this.#lose(), DISCONNECTED_GRACE_MS);
    else if (state === 'failed' || state === 'closed') this.#lose();
  }

  /** ICE may go on by itself, from another address or to another: but what was said until it knew is lost with the packets that carried it. */
  #watchNetwork(): void {
    const transport = this.#sender.transport?.iceTransport;
    if (!transport || transport.onselectedcandidatepairchange) return;
    const connectedMs = performance.now();
    transport.onselectedcandidatepairchange = () => {
      if (performance.now() - connectedMs > CHOICE_MS) this.#lose();
    };
  }

  #lose(): void {
    if (this.isClosed) return;
    this.close();
    this.#handlers.lost();
  }
}

function parseAnswer(data: unknown): RTCSessionDescriptionInit {
  if (!isObject(data) || typeof data['sdp'] !== 'string') throw clientProblem('WEBRTC_FAILED');
  return { type: 'answer', sdp: data['sdp'] };
}
