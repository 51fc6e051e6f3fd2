import {
  RTCPeerConnection,
  RTCRtpCodecParameters,
  type RTCDtlsTransport,
  type RtcpPacket,
  type RtpPacket as WeriftRtpPacket,
  useSdesMid,
} from 'werift';
import { EarshotError } from '../../src/core/errors.ts';
import type { IceCandidate, IceServer, Peer, PeerHandlers, PeerState } from '../../src/core/media-engine.ts';
import { Demultiplexer } from '../rtp/demultiplexer.ts';
import { RtpSource } from '../rtp/rtp-source.ts';
import type { RtpSourceOptions } from '../rtp/rtp-source.ts';
import { formatsOf, withOpusParameters } from './answer.ts';
import { isCandidate, isUsableCandidate, readOffer } from './offer.ts';
import type { Offer, OfferLimits, OfferedSection } from './offer.ts';
import { remoteChannel } from './werift-channel.ts';
import { sayGoodbye } from './werift-close.ts';

export interface WeriftPeerOptions {
  readonly handlers: PeerHandlers;
  readonly iceServers: readonly IceServer[];
  readonly limits: OfferLimits;
  readonly additionalHostAddresses: readonly string[];
  readonly portRange: readonly [number, number] | undefined;
  readonly idleTimeoutMs: number;
  readonly track: RtpSourceOptions;
  readonly warn: (message: string, cause?: unknown) => void;
  /** Called once, when the peer is closed for whatever reason. */
  readonly onClosed: () => void;
}

/** Seconds after which a request for more is worth it when every place is taken. */
export const RETRY_AFTER_SECONDS = 5;

/** An answer waits this long for STUN and TURN servers to add candidates to it. */
const GATHER_TIMEOUT_SECONDS = 2;

/** What one DTLS transport carries. Bundled sections share one. */
interface Route {
  readonly demultiplexer: Demultiplexer;
  midExtensionId: number | undefined;
}

/**
 * One werift peer connection as a {@link Peer}.
 *
 *     answer() ---> connecting ---> connected <---> disconnected
 *                        |              |                |        ICE or DTLS failed, DTLS closed by the other side,
 *                        +--------------+----------------+------> no connection for `idleTimeoutMs`, close()
 *                                       v
 *                                    closed: sources end, `state('closed')`, then the sockets are freed
 *
 * Packets are taken from the DTLS transport and routed here: werift's own router knows only SSRCs that the offer
 * announced, and passes a copy of each packet. The tracks' sources write the reports to the senders.
 */
export class WeriftPeer implements Peer {
  readonly #options: WeriftPeerOptions;
  #connection: RTCPeerConnection | undefined;
  readonly #routes = new Map<RTCDtlsTransport, Route>();
  readonly #tracks = new Map<string, RtpSource>();
  #candidates = 0;
  #negotiating: Promise<unknown> = Promise.resolve();
  #state: PeerState | undefined;
  #cancelIdleTimer: (() => void) | undefined;
  #rejectClosed: (error: EarshotError) => void = () => undefined;
  readonly #closedEarly: Promise<never>;
  #closing: Promise<void> | undefined;

  constructor(options: WeriftPeerOptions) {
    this.#options = options;
    this.#closedEarly = new Promise((_, reject) => (this.#rejectClosed = reject));
    this.#closedEarly.catch(() => undefined);
    this.#startIdleTimer();
  }

  answer(offerSdp: string): Promise<string> {
    const answered = this.#negotiating.then(() => this.#negotiate(offerSdp));
    this.#negotiating = answered.catch(() => undefined);
    return Promise.race([answered, this.#closedEarly]);
  }

  async addCandidate(candidate: IceCandidate | null): Promise<void> {
    const connection = this.#connection;
    if (!connection || this.#closing) {
      throw new EarshotError('SESSION_CONFLICT', 'There is no offer yet that the candidate could belong to.');
    }
    if (candidate === null || candidate.candidate === '') return;
    const text = candidate.candidate.replace(/^a=/, '');
    if (!isCandidate(text)) throw new EarshotError('ICE_CANDIDATE_INVALID', 'The ICE candidate cannot be parsed.');
    if (!isUsableCandidate(text)) return;
    this.#candidates += 1;
    if (this.#candidates > this.#options.limits.maxCandidates) return;
    const sdpMid = candidate.sdpMid ?? undefined;
    const sdpMLineIndex = candidate.sdpMLineIndex ?? (sdpMid === undefined ? 0 : undefined);
    try {
      await connection.addIceCandidate({
        candidate: text,
        ...(sdpMid === undefined ? {} : { sdpMid }),
        ...(sdpMLineIndex === undefined ? {} : { sdpMLineIndex }),
      });
    } catch (cause) {
      throw new EarshotError('ICE_CANDIDATE_INVALID', 'The ICE candidate belongs to no media section.', { cause });
    }
  }

  close(): Promise<void> {
    if (!this.#closing) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#closing = promise;
      void this.#shutDown().then(resolve);
    }
    return this.#closing;
  }

  async #negotiate(offerSdp: string): Promise<string> {
    if (this.#closing) throw new EarshotError('SESSION_CONFLICT', 'The connection is closed.');
    const isFirst = this.#connection === undefined;
    const offer = readOffer(offerSdp, this.#options.limits, isFirst);
    const connection = this.#connection ?? this.#open();
    try {
      await connection.setRemoteDescription({ type: 'offer', sdp: offer.sdp });
      for (const transport of connection.dtlsTransports) this.#prepareTransport(transport);
      if (this.#isClosing()) throw new Error('closed while the offer was applied');
      const answer = await connection.createAnswer();
      await connection.setLocalDescription(answer);
    } catch (cause) {
      await this.#rollBack(connection, isFirst);
      throw new EarshotError('SDP_INVALID', 'The offer cannot be applied.', { cause });
    }
    const answerSdp = connection.localDescription?.sdp ?? '';
    if (!/^a=candidate:/m.test(answerSdp)) {
      await this.#rollBack(connection, isFirst);
      throw new EarshotError('CAPACITY_EXCEEDED', 'No UDP port is free for another connection.', {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    }
    if (!this.#isClosing()) this.#applySections(connection, offer);
    return withOpusParameters(answerSdp, offer.sections);
  }

  #open(): RTCPeerConnection {
    const { iceServers, additionalHostAddresses, portRange } = this.#options;
    const connection = new RTCPeerConnection({
      codecs: {
        audio: [new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2 })],
        video: [],
      },
      headerExtensions: { audio: [useSdesMid()], video: [] },
      iceServers: iceServers.map(({ urls, username, credential }) => ({
        urls: typeof urls === 'string' ? urls : [...urls],
        ...(username === undefined ? {} : { username }),
        ...(credential === undefined ? {} : { credential }),
      })),
      iceAdditionalHostAddresses: [...additionalHostAddresses],
      ...(portRange === undefined ? {} : { icePortRange: [portRange[0], portRange[1]] }),
      iceStunGatherTimeout: GATHER_TIMEOUT_SECONDS,
      iceTurnConnectTimeout: GATHER_TIMEOUT_SECONDS,
    });
    connection.connectionStateChange.subscribe((state) => {
      if (this.#connection !== connection) return;
      if (state === 'failed' || state === 'closed') void this.close();
      else if (state !== 'new') this.#setState(state);
    });
    connection.onDataChannel.subscribe((channel) => {
      this.#guard('channel', () => this.#options.handlers.channel?.(remoteChannel(channel)));
    });
    this.#connection = connection;
    return connection;
  }

  async #rollBack(connection: RTCPeerConnection, isFirst: boolean): Promise<void> {
    if (this.#closing) return;
    try {
      if (isFirst) {
        this.#connection = undefined;
        this.#routes.clear();
        await connection.close();
      } else {
        await connection.setRemoteDescription({ type: 'rollback', sdp: '' });
      }
    } catch (cause) {
      this.#options.warn('An offer that was refused could not be rolled back.', cause);
    }
  }

  #prepareTransport(transport: RTCDtlsTransport): void {
    if (this.#routes.has(transport)) return;
    this.#routes.set(transport, { demultiplexer: new Demultiplexer(), midExtensionId: undefined });
    // Passive in the answer: an offer that insists on the active role is served too, and the client's first flight is not delayed.
    transport.role = 'server';
    // werift would ask a public STUN server when none is configured.
    if (this.#options.iceServers.length === 0) delete transport.iceTransport.connection.stunServer;
    transport.onRtp.subscribe((packet) => {
      this.#onRtp(transport, packet);
    });
    transport.onRtcp.subscribe((packet) => {
      this.#onRtcp(packet);
    });
    transport.onStateChange.subscribe((state) => {
      if (state === 'closed' || state === 'failed') this.#onTransportEnded(transport);
    });
  }

  #onTransportEnded(transport: RTCDtlsTransport): void {
    const isLive = this.#connection?.dtlsTransports.includes(transport) ?? false;
    if (isLive) void this.close();
    else this.#routes.delete(transport);
  }

  /** Opens a track for each section that sends, ends those of sections that no longer do. */
  #applySections(connection: RTCPeerConnection, offer: Offer): void {
    const receivable = offer.sections.filter((section) => section.isReceivable);
    for (const [mid, track] of this.#tracks) {
      if (receivable.some((section) => section.mid === mid)) continue;
      track.close();
      this.#tracks.delete(mid);
    }
    for (const [transport, route] of this.#routes) {
      const mids = connection.getTransceivers().flatMap((t) => (t.dtlsTransport === transport ? [t.mid] : []));
      this.#applyRoute(
        route,
        receivable.filter((section) => mids.includes(section.mid)),
      );
    }
    for (const section of receivable) this.#openTrack(connection, section);
  }

  #applyRoute(route: Route, sections: readonly OfferedSection[]): void {
    route.midExtensionId = sections.find((section) => section.midExtensionId !== undefined)?.midExtensionId;
    route.demultiplexer.setSections(
      sections.map((section) => {
        const { opus, red, rtx } = formatsOf(section);
        return { mid: section.mid, payloadTypes: [...opus, ...red, ...rtx.map(({ payloadType }) => payloadType)], ssrcs: section.ssrcs };
      }),
    );
  }

  #openTrack(connection: RTCPeerConnection, section: OfferedSection): void {
    const { mid } = section;
    const formats = formatsOf(section);
    this.#tracks.get(mid)?.setFormats(formats);
    const transport = connection.getTransceivers().find((transceiver) => transceiver.mid === mid)?.dtlsTransport;
    if (this.#tracks.has(mid) || !transport) return;
    const source = new RtpSource({ ...this.#options.track, formats, sendRtcp: (packet) => this.#sendRtcp(transport, packet) });
    this.#tracks.set(mid, source);
    this.#guard('track', () => this.#options.handlers.track({ label: mid, source, stats: () => source.stats() }));
  }

  #onRtp(transport: RTCDtlsTransport, packet: WeriftRtpPacket): void {
    const { ssrc, payloadType, sequenceNumber, timestamp, marker } = packet.header;
    this.#trackOf(transport, packet)?.push(
      { ssrc, payloadType, sequenceNumber, timestamp, marker, payload: packet.payload },
      this.#options.track.clock.nowMs(),
    );
  }

  #trackOf(transport: RTCDtlsTransport, { header }: WeriftRtpPacket): RtpSource | undefined {
    const route = this.#routes.get(transport);
    const extension = header.extensions.find(({ id }) => id === route?.midExtensionId);
    const mid = route?.demultiplexer.route(header.ssrc, header.payloadType, extension?.payload.toString('utf8'));
    return mid === undefined ? undefined : this.#tracks.get(mid);
  }

  #onRtcp(packet: RtcpPacket): void {
    const bytes = packet.serialize();
    const nowMs = this.#options.track.clock.nowMs();
    for (const source of this.#tracks.values()) source.receiveRtcp(bytes, nowMs);
  }

  #sendRtcp(transport: RTCDtlsTransport, packet: Uint8Array): void {
    if (this.#closing || transport.state !== 'connected') return;
    // werift only wants its bytes.
    void transport.sendRtcp([{ serialize: () => Buffer.from(packet) } as unknown as RtcpPacket]).catch(() => undefined);
  }

  #setState(state: PeerState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    if (state === 'connected') this.#stopIdleTimer();
    else if (state === 'disconnected') this.#startIdleTimer();
    this.#guard('state', () => this.#options.handlers.state(state));
  }

  #startIdleTimer(): void {
    this.#stopIdleTimer();
    this.#cancelIdleTimer = this.#options.track.clock.setTimer(this.#options.idleTimeoutMs, () => void this.close());
  }

  #stopIdleTimer(): void {
    this.#cancelIdleTimer?.();
    this.#cancelIdleTimer = undefined;
  }

  async #shutDown(): Promise<void> {
    this.#stopIdleTimer();
    for (const source of this.#tracks.values()) source.close();
    this.#options.onClosed();
    this.#setState('closed');
    this.#rejectClosed(new EarshotError('SESSION_CONFLICT', 'The connection was closed.'));
    // Sockets that werift opens while it is being closed would never be freed: let it finish first, which is bounded.
    await this.#negotiating;
    const connection = this.#connection;
    if (!connection) return;
    try {
      await Promise.all(connection.dtlsTransports.map(sayGoodbye));
      await connection.close();
    } catch (cause) {
      this.#options.warn('A connection could not be closed cleanly.', cause);
    }
  }

  /** Asked anew after each wait. */
  #isClosing(): boolean {
    return this.#closing !== undefined;
  }

  #guard(handler: string, call: () => void): void {
    try {
      call();
    } catch (cause) {
      this.#options.warn(`The peer's ${handler} handler threw.`, cause);
    }
  }
}
