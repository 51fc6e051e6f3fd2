import { request } from '../api.ts';
import type { Microphone } from '../microphone.ts';
import { Problem, pageProblem, toProblem } from '../problem.ts';
import { isObject } from '../wire.ts';
import { ControlChannel } from './control-channel.ts';
import { FINISH_TIMEOUT_MS, LANGUAGE_HINT, type Transport, type TransportSink, type TransportStats } from './transport.ts';

/** Time for ICE, DTLS and the control socket together, in milliseconds. */
const CONNECT_TIMEOUT_MS = 6000;
/** A lost path may come back by itself; after this long it is given up. */
const DISCONNECTED_GRACE_MS = 2500;
/** Sound still on its way to the server when the control socket, which is faster, asks for the end. */
const STOP_TAIL_MS = 250;

/**
 * Microphone sound as an Opus track; captions come over the control WebSocket. Resolves once media flows.
 * Rejects with `WEBRTC_FAILED` where this network or browser cannot, with the server's own problem where it refuses.
 */
export async function openWebRtc(microphone: Microphone, sink: TransportSink, signal: AbortSignal): Promise<Transport> {
  if (typeof RTCPeerConnection === 'undefined') throw pageProblem('WEBRTC_FAILED');
  const attempt = new WebRtcTransport(microphone, sink);
  const timer = setTimeout(() => attempt.fail(pageProblem('WEBRTC_FAILED')), CONNECT_TIMEOUT_MS);
  const abort = (): void => attempt.fail(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    await attempt.connect();
    return attempt;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

class WebRtcTransport implements Transport {
  readonly kind = 'webrtc';
  startSample = 0;
  readonly #microphone: Microphone;
  readonly #sink: TransportSink;
  readonly #peer = new RTCPeerConnection();
  readonly #sender: RTCRtpSender;
  readonly #mediaFlows = Promise.withResolvers<void>();
  readonly #controlReady = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  readonly #abandoned = new AbortController();
  readonly #earlyCandidates: (RTCIceCandidateInit | null)[] = [];
  #session: Session | undefined;
  #control: ControlChannel | undefined;
  #graceTimer: ReturnType<typeof setTimeout> | undefined;
  #established = false;
  #finishing = false;

  constructor(microphone: Microphone, sink: TransportSink) {
    this.#microphone = microphone;
    this.#sink = sink;
    for (const { promise } of [this.#mediaFlows, this.#controlReady, this.#done]) promise.catch(() => undefined);
    const streams = [microphone.stream];
    this.#sender = this.#peer.addTransceiver(microphone.track, { direction: 'sendonly', streams }).sender;
    this.#peer.onicecandidate = ({ candidate }) => this.#trickle(candidate?.toJSON() ?? null);
    this.#peer.onconnectionstatechange = () => this.#follow(this.#peer.connectionState);
  }

  async connect(): Promise<void> {
    try {
      await Promise.race([this.#negotiate(), this.#mediaFlows.promise]);
      await Promise.all([this.#mediaFlows.promise, this.#controlReady.promise]);
    } catch (error) {
      this.abandon();
      throw error;
    }
    this.#established = true;
  }

  fail(reason: unknown): void {
    const wasEstablished = this.#established;
    this.abandon();
    this.#mediaFlows.reject(reason);
    this.#controlReady.reject(reason);
    this.#done.reject(reason);
    if (wasEstablished) this.#sink.failed(toProblem(reason));
  }

  async stats(): Promise<TransportStats> {
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

  async finish(): Promise<void> {
    this.#finishing = true;
    await new Promise((resolve) => setTimeout(resolve, STOP_TAIL_MS));
    const timer = setTimeout(() => this.fail(pageProblem('FINISH_TIMEOUT')), FINISH_TIMEOUT_MS);
    this.#control?.finish();
    try {
      await this.#done.promise;
    } finally {
      clearTimeout(timer);
      this.abandon();
    }
  }

  abandon(): void {
    if (this.#abandoned.signal.aborted) return;
    this.#abandoned.abort();
    clearTimeout(this.#graceTimer);
    this.#peer.onconnectionstatechange = null;
    this.#peer.onicecandidate = null;
    this.#peer.close();
    this.#control?.close();
    if (this.#session) deleteSession(this.#session.id);
  }

  async #negotiate(): Promise<void> {
    await this.#peer.setLocalDescription();
    const body = { language_hint: LANGUAGE_HINT, sdp: this.#peer.localDescription?.toJSON() };
    const session = parseSession(await request('POST', 'webrtc/sessions', { body }));
    if (this.#abandoned.signal.aborted) {
      deleteSession(session.id);
      return;
    }
    this.#session = session;
    this.#control = new ControlChannel(session.controlUrl, {
      ready: () => this.#controlReady.resolve(),
      delta: (delta) => this.#sink.delta(delta),
      finished: () => this.#serverFinished(),
      failed: (problem) => this.fail(problem),
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
    const answer = await request('POST', `webrtc/sessions/${session.id}/offer`, { body, signal: this.#abandoned.signal });
    await this.#peer.setRemoteDescription(parseAnswer(answer));
  }

  #trickle(candidate: RTCIceCandidateInit | null): void {
    if (!this.#session) {
      this.#earlyCandidates.push(candidate);
      return;
    }
    // A candidate that does not arrive may cost the path, and then the connection times out: nothing to do here.
    request('POST', `webrtc/sessions/${this.#session.id}/ice`, { body: candidate, signal: this.#abandoned.signal }).catch(() => undefined);
  }

  #follow(state: RTCPeerConnectionState): void {
    clearTimeout(this.#graceTimer);
    switch (state) {
      case 'connected':
        if (!this.#established) this.startSample = this.#microphone.nowSample();
        this.#mediaFlows.resolve();
        return;
      case 'disconnected':
        if (!this.#finishing) this.#graceTimer = setTimeout(() => this.fail(pageProblem('CONNECTION_LOST')), DISCONNECTED_GRACE_MS);
        return;
      case 'failed':
        this.fail(pageProblem(this.#established ? 'CONNECTION_LOST' : 'WEBRTC_FAILED'));
        return;
      case 'new':
      case 'connecting':
      case 'closed':
        return;
    }
  }

  #serverFinished(): void {
    this.#session = undefined;
    if (this.#finishing) this.#done.resolve();
    else this.fail(pageProblem('CONNECTION_LOST'));
  }
}

interface Session {
  readonly id: string;
  readonly answer: RTCSessionDescriptionInit;
  readonly controlUrl: string;
  readonly iceServers: readonly RTCIceServer[];
}

function parseSession(data: unknown): Session {
  const fields = isObject(data) ? data : {};
  const { session_id: id, control_url: controlUrl, ice_servers: iceServers } = fields;
  if (typeof id !== 'string' || typeof controlUrl !== 'string') throw new Problem('WEBRTC_FAILED');
  return {
    id,
    controlUrl,
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
function deleteSession(id: string): void {
  request('DELETE', `webrtc/sessions/${id}`, { keepalive: true }).catch(() => undefined);
}
