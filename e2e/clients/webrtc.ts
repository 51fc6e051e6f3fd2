import { setTimeout as pause } from 'node:timers/promises';
import { type CandidatePair, MediaStreamTrack, type RTCDtlsTransport, RTCPeerConnection, type RTCRtpSender, RTCRtpCodecParameters, RtpHeader, RtpPacket, useSdesMid } from 'werift';
import { within } from '../eventually.ts';
import type { ImpairedNetwork } from '../impaired-network.ts';
import type { TestServer } from '../server.ts';
import { call } from './rest.ts';
import { StreamClient } from './stream.ts';

const OPUS_PAYLOAD_TYPE = 111;
const RED_PAYLOAD_TYPE = 63;
export const PACKET_MS = 20;
const TICKS_PER_MS = 48;
const TICKS_PER_PACKET = PACKET_MS * TICKS_PER_MS;

export interface CreatedSession {
  readonly session_id: string;
  readonly answer: { readonly type: 'answer'; readonly sdp: string } | null;
  readonly control_url: string;
  readonly expires_at: string;
}

export interface ClientChannel {
  /** As they came. */
  readonly messages: readonly string[];
  send(text: string): void;
}

export interface PublisherOptions {
  /** The only way to the server. Default: the host's own. */
  readonly network?: ImpairedNetwork;
  /** Offers redundant audio (RED), each packet with a copy of the one before it. Default false. */
  readonly red?: boolean;
  /** Sends again what it is asked for (NACK). Default true, as browsers do. */
  readonly nack?: boolean;
  /** How much faster than it should its audio clock runs, in parts per million; its wall clock is right. Default 0. */
  readonly clockPpm?: number;
}

/** A publisher with one Opus track, as a browser is, from this process. */
export class WebRtcClient {
  readonly #connection: RTCPeerConnection;
  readonly #network: ImpairedNetwork | undefined;
  readonly #track = new MediaStreamTrack({ kind: 'audio' });
  /** How long 20 ms of its clock are. */
  readonly #packetMs: number;
  #sequenceNumber = 0;
  #timestamp = 0;

  constructor({ network, red = false, nack = true, clockPpm = 0 }: PublisherOptions = {}) {
    this.#network = network;
    this.#packetMs = PACKET_MS / (1 + clockPpm / 1e6);
    this.#connection = new RTCPeerConnection({
      codecs: { audio: codecs(red), video: [] },
      headerExtensions: { audio: [useSdesMid()], video: [] },
      iceServers: [],
      iceAdditionalHostAddresses: ['127.0.0.1'],
      ...(network && { iceFilterCandidatePair: ({ localCandidate }: CandidatePair) => localCandidate.host === '127.0.0.1' }),
      bundlePolicy: 'max-bundle',
    });
    const { sender } = this.#connection.addTransceiver(this.#track, { direction: 'sendonly' });
    if (nack) resendAsSent(sender);
    else sender.handleRtcpPacket = () => undefined;
  }

  /** The offer with all candidates in it. */
  async offer(): Promise<string> {
    // werift would ask a public STUN server when none is configured.
    for (const { iceTransport } of this.#connection.dtlsTransports) delete iceTransport.connection.stunServer;
    await this.#connection.setLocalDescription(await this.#connection.createOffer());
    const sdp = this.#connection.localDescription?.sdp ?? '';
    return this.#network?.offer(sdp) ?? sdp;
  }

  /** Opens a data channel with the next offer; what comes on it is kept. */
  openChannel(label: string): ClientChannel {
    const channel = this.#connection.createDataChannel(label);
    const messages: string[] = [];
    channel.onMessage.subscribe((data) => messages.push(data.toString()));
    return { messages, send: (text) => channel.send(text) };
  }

  /** Takes an answer that came by some other way than {@link connect}. Resolves once media can flow. */
  async accept(sdp: string): Promise<void> {
    await this.#applyAnswer(sdp);
    await this.#connected();
  }

  /** Creates a session on the server with this client's offer. Resolves once media can flow. */
  async connect(server: TestServer, fields: Readonly<Record<string, unknown>> = {}): Promise<CreatedSession> {
    const session = await this.negotiate(server, fields);
    await this.#connected();
    return session;
  }

  /** As {@link connect}, without waiting for the path to stand. */
  async negotiate(server: TestServer, fields: Readonly<Record<string, unknown>> = {}): Promise<CreatedSession> {
    const json = { ...fields, sdp: { type: 'offer', sdp: await this.offer() } };
    const { status, data, error } = await call<CreatedSession>(server, 'POST', 'webrtc/sessions', { json });
    if (!data?.answer) throw new Error(`webrtc/sessions answered ${status}: ${JSON.stringify(error)}`);
    await this.#applyAnswer(data.answer.sdp);
    return data;
  }

  /** Sends Opus packets of 20 ms in real time. Resolves with the time of the first, by `performance.now()`. */
  async send(packets: readonly Uint8Array[]): Promise<number> {
    const startMs = performance.now();
    for (const [index, payload] of packets.entries()) {
      await pause(Math.max(0, startMs + index * this.#packetMs - performance.now()));
      const header = new RtpHeader({
        payloadType: OPUS_PAYLOAD_TYPE,
        sequenceNumber: this.#sequenceNumber,
        timestamp: this.#timestamp,
        marker: index === 0,
      });
      this.#track.writeRtp(new RtpPacket(header, Buffer.from(payload)));
      this.#sequenceNumber = (this.#sequenceNumber + 1) & 0xffff;
      this.#timestamp = (this.#timestamp + TICKS_PER_PACKET) >>> 0;
    }
    return startMs;
  }

  /** Sends nothing for a while, as with DTX or a muted track: time goes on, packets are not missing. */
  async rest(durationMs: number): Promise<void> {
    await pause(durationMs);
    this.#timestamp = (this.#timestamp + durationMs * TICKS_PER_MS) >>> 0;
  }

  async #applyAnswer(sdp: string): Promise<void> {
    for (const transport of this.#connection.dtlsTransports) {
      if (transport.state !== 'new') continue;
      passOverCookies(transport);
      if (this.#network) keepConsent(transport);
    }
    await this.#connection.setRemoteDescription({ type: 'answer', sdp: this.#network?.answer(sdp) ?? sdp });
  }

  async #connected(): Promise<void> {
    if (this.#connection.connectionState === 'connected') return;
    await within('WebRTC connects', this.#connection.connectionStateChange.watch((state) => state === 'connected'));
  }

  /** Is gone without a word. */
  async vanish(): Promise<void> {
    await this.#connection.close();
  }
}

/** What of werift's sender is reached into; it is private there. */
interface SenderInternals {
  readonly rtpCache: readonly (RtpPacket | undefined)[];
}

/** Of redundant packets werift keeps the Opus alone, and would send that again under the payload type of RED. Browsers send again what they sent. */
function resendAsSent(sender: RTCRtpSender): void {
  const transport = sender.dtlsTransport;
  const sendRtp = transport.sendRtp.bind(transport);
  transport.sendRtp = (payload, header) => {
    const kept = (sender as unknown as SenderInternals).rtpCache.find((packet) => packet?.header === header);
    if (kept) kept.payload = payload;
    return sendRtp(payload, header);
  };
}

/** What of werift's ICE agent is reached into; it is private there. */
interface ConsentInternals {
  readonly state: string;
  queryConsent: () => void;
}

/** Well before consent expires, 30 s after the last answer. */
const CONSENT_RENEWAL_MS = 12_000;

/**
 * werift asks for consent (RFC 7675) so rarely that a network that loses much ends the call within minutes; browsers ask more often. Here it begins anew
 * before consent expires. It must go on asking: servers count that as a sign of life.
 */
function keepConsent({ iceTransport }: RTCDtlsTransport): void {
  const connection = iceTransport.connection as unknown as ConsentInternals;
  const { queryConsent } = connection;
  connection.queryConsent = () => {
    queryConsent();
    const renewal = setInterval(() => {
      if (connection.state === 'closed' || connection.state === 'failed') clearInterval(renewal);
      else queryConsent();
    }, CONSENT_RENEWAL_MS);
    renewal.unref();
  };
}

const HELLO_VERIFY_REQUEST = 3;
const COOKIE_FLIGHT = 3;

/** werift's client fails at a second cookie (RFC 6347, section 4.2.1), which a server sends that was too busy to answer before the client asked again; browsers do not. */
function passOverCookies(transport: RTCDtlsTransport): void {
  transport.onStateChange.subscribe((state) => {
    // Its DTLS is made right after this is told.
    if (state === 'connecting') queueMicrotask(() => {
      const { dtls } = transport;
      if (!dtls) return;
      const handle = dtls.onHandleHandshakes;
      dtls.onHandleHandshakes = (messages) => handle(messages.filter((message) => message.msg_type !== HELLO_VERIFY_REQUEST || dtls.dtls.flight < COOKIE_FLIGHT));
    });
  });
}

function codecs(red: boolean): RTCRtpCodecParameters[] {
  const common = { clockRate: 48_000, channels: 2 };
  const opus = new RTCRtpCodecParameters({ ...common, mimeType: 'audio/opus', payloadType: OPUS_PAYLOAD_TYPE, parameters: 'minptime=10;useinbandfec=1' });
  const parameters = `${OPUS_PAYLOAD_TYPE}/${OPUS_PAYLOAD_TYPE}`;
  return red ? [new RTCRtpCodecParameters({ ...common, mimeType: 'audio/red', payloadType: RED_PAYLOAD_TYPE, parameters }), opus] : [opus];
}

/** Joins a session's captions. */
export function joinControl(server: TestServer, sessionId: string, query = ''): Promise<StreamClient> {
  return StreamClient.connect(server, `webrtc/sessions/${sessionId}/control${query}`);
}

/** The Opus packets of an Ogg file (RFC 3533, RFC 7845), without its two header packets. */
export function opusPackets(ogg: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let page = 0;
  while (page < ogg.length) {
    const segments = ogg[page + 26]!;
    const lengths = ogg.subarray(page + 27, page + 27 + segments);
    let offset = page + 27 + segments;
    for (const length of lengths) {
      parts.push(ogg.subarray(offset, offset + length));
      offset += length;
      // A lace of 255 goes on, in the next page if need be.
      if (length === 255) continue;
      packets.push(Buffer.concat(parts));
      parts = [];
    }
    page = offset;
  }
  return packets.slice(2);
}
