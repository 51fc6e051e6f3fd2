import { RTCPeerConnection, RTCRtpCodecParameters, type RTCDtlsTransport, useSdesMid } from 'werift';
import { EarshotError } from '../../src/core/errors.ts';
import type { IceCandidate, IceServer, Peer, PeerHandlers, PeerState } from '../../src/core/media-engine.ts';
import { Demultiplexer } from '../rtp/demultiplexer.ts';
import { readRtpPacket } from '../rtp/packet.ts';
import { RtpSource } from '../rtp/rtp-source.ts';
import type { RtpSourceOptions } from '../rtp/rtp-source.ts';
import { rtpExtension, rtpHeaderBytes } from '../srtp/rtp-layout.ts';
import { formatsOf, type RecoveryMeans, withOpusParameters } from './answer.ts';
import { readConnection } from './connection-offer.ts';
import { isCandidate, isUsableCandidate, readOffer } from './offer.ts';
import type { Offer, OfferLimits, OfferedSection } from './offer.ts';
import type { UdpPort } from './udp-port.ts';
import { remoteChannel } from './werift-channel.ts';
import { sayGoodbye } from './werift-close.ts';
import { WeriftWire } from './werift-wire.ts';

export interface WeriftPeerOptions {
  readonly handlers: PeerHandlers;
  readonly iceServers: readonly IceServer[];
  readonly limits: OfferLimits;
  readonly additionalHostAddresses: readonly string[];
  /** The port that all peers share; rejects when there is none to be had. */
  readonly openPort: () => Promise<UdpPort>;
  readonly maxPacketsPerSecond: number;
  readonly recovery: RecoveryMeans;
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
  readonly wire: WeriftWire;
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
 * Packets come past werift, from the {@link WeriftWire} of their transport, and are routed here: werift's own router knows only
 * SSRCs that the offer announced. The tracks' sources write the reports to the senders.
 */
export class WeriftPeer implements Peer {
  readonly #options: WeriftPeerOptions;
  #connection: RTCPeerConnection | undefined;
  readonly #routes = new Map<RTCDtlsTransport, Route>();
  readonly #tracks = new Map<string, RtpSource>();
  /** Where what is told to the sender of each track goes. */
  readonly #wires = new Map<string, WeriftWire>();
  /** Of the client's DTLS certificate. */
  #fingerprint: string | undefined;
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
    const before = this.#connection;
    const offer = readOffer(offerSdp, this.#options.limits, before === undefined);
    const { value: fingerprint } = readConnection(offer).fingerprint;
    const port = await this.#openPort();
    // Another certificate is that of another connection of the client.
    const connection = before && fingerprint === this.#fingerprint ? before : this.#open();
    try {
      await connection.setRemoteDescription({ type: 'offer', sdp: offer.sdp });
      for (const transport of connection.dtlsTransports) this.#prepareTransport(transport, port);
      if (this.#isClosing()) throw new Error('closed while the offer was applied');
      const answer = await connection.createAnswer();
      await connection.setLocalDescription(answer);
      for (const transport of connection.dtlsTransports) restartIce(transport);
    } catch (cause) {
      await this.#rollBack(connection, before);
      throw new EarshotError('SDP_INVALID', 'The offer cannot be applied.', { cause });
    }
    this.#fingerprint = fingerprint;
    if (!this.#isClosing()) {
      this.#applySections(connection, offer);
      if (before && before !== connection) await this.#leave(before);
    }
    return withOpusParameters(connection.localDescription?.sdp ?? '', offer.sections, this.#options.recovery);
  }

  async #openPort(): Promise<UdpPort> {
    try {
      return await this.#options.openPort();
    } catch (cause) {
      throw new EarshotError('CAPACITY_EXCEEDED', 'No UDP port is free for connections.', { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
    }
  }

  #open(): RTCPeerConnection {
    const { iceServers, additionalHostAddresses } = this.#options;
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

  /** Takes back an offer that failed: a connection that was made for it goes, the one before it stays. */
  async #rollBack(connection: RTCPeerConnection, before: RTCPeerConnection | undefined): Promise<void> {
    if (this.#closing) return;
    try {
      if (connection !== before) {
        this.#connection = before;
        for (const transport of connection.dtlsTransports) this.#dropRoute(transport);
        await connection.close();
      } else {
        await connection.setRemoteDescription({ type: 'rollback', sdp: '' });
      }
    } catch (cause) {
      this.#options.warn('An offer that was refused could not be rolled back.', cause);
    }
  }

  /** The client has another connection. */
  async #leave(connection: RTCPeerConnection): Promise<void> {
    try {
      await Promise.all(connection.dtlsTransports.map(sayGoodbye));
      for (const transport of connection.dtlsTransports) this.#dropRoute(transport);
      await connection.close();
    } catch (cause) {
      this.#options.warn('A connection could not be closed cleanly.', cause);
    }
  }

  #prepareTransport(transport: RTCDtlsTransport, port: UdpPort): void {
    if (this.#routes.has(transport)) return;
    const { track, maxPacketsPerSecond } = this.#options;
    const wire = new WeriftWire(transport, port, {
      nowMs: () => track.clock.nowMs(),
      maxPacketsPerSecond,
      handlers: { rtp: (packet, payload, nowMs) => this.#onRtp(route, packet, payload, nowMs), rtcp: (compound, nowMs) => this.#onRtcp(compound, nowMs) },
    });
    const route: Route = { wire, demultiplexer: new Demultiplexer(), midExtensionId: undefined };
    this.#routes.set(transport, route);
    // Passive in the answer: an offer that insists on the active role is served too, and the client's first flight is not delayed.
    transport.role = 'server';
    // werift would ask a public STUN server when none is configured.
    if (this.#options.iceServers.length === 0) delete transport.iceTransport.connection.stunServer;
    transport.onStateChange.subscribe((state) => {
      if (state === 'closed' || state === 'failed') this.#onTransportEnded(transport);
    });
  }

  #onTransportEnded(transport: RTCDtlsTransport): void {
    const isLive = this.#connection?.dtlsTransports.includes(transport) ?? false;
    if (isLive) void this.close();
    else this.#dropRoute(transport);
  }

  #dropRoute(transport: RTCDtlsTransport): void {
    this.#routes.get(transport)?.wire.close();
    this.#routes.delete(transport);
  }

  /** Opens a track for each section that sends, ends those of sections that no longer do. */
  #applySections(connection: RTCPeerConnection, offer: Offer): void {
    const receivable = offer.sections.filter((section) => section.isReceivable);
    for (const [mid, source] of this.#tracks) {
      if (receivable.some((section) => section.mid === mid)) continue;
      source.close();
      this.#tracks.delete(mid);
      this.#wires.delete(mid);
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
        const { opus, red, rtx } = formatsOf(section, this.#options.recovery);
        return { mid: section.mid, payloadTypes: [...opus, ...red, ...rtx.map(({ payloadType }) => payloadType)], ssrcs: section.ssrcs };
      }),
    );
  }

  #openTrack(connection: RTCPeerConnection, section: OfferedSection): void {
    const { mid } = section;
    const formats = formatsOf(section, this.#options.recovery);
    this.#tracks.get(mid)?.setFormats(formats);
    const transport = connection.getTransceivers().find((transceiver) => transceiver.mid === mid)?.dtlsTransport;
    const wire = transport && this.#routes.get(transport)?.wire;
    if (!wire) return;
    this.#wires.set(mid, wire);
    if (this.#tracks.has(mid)) return;
    const source = new RtpSource({ ...this.#options.track, formats, sendRtcp: (packet) => this.#wires.get(mid)?.sendRtcp(packet) });
    this.#tracks.set(mid, source);
    this.#guard('track', () => this.#options.handlers.track({ label: mid, source, stats: () => source.stats() }));
  }

  #onRtp({ demultiplexer, midExtensionId }: Route, data: Buffer, payload: Buffer, nowMs: number): void {
    const packet = readRtpPacket(data, payload);
    if (!packet) return;
    const extension = midExtensionId === undefined ? undefined : rtpExtension(data, rtpHeaderBytes(data), midExtensionId);
    const mid = demultiplexer.route(packet.ssrc, packet.payloadType, extension && textOf(extension, demultiplexer.midOf(packet.ssrc)));
    if (mid !== undefined) this.#tracks.get(mid)?.push(packet, nowMs);
  }

  #onRtcp(compound: Uint8Array, nowMs: number): void {
    for (const source of this.#tracks.values()) source.receiveRtcp(compound, nowMs);
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
      for (const { wire } of this.#routes.values()) wire.close();
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

/** The bytes as text; `likely`, if it is that, which costs nothing. */
function textOf(bytes: Uint8Array, likely: string | undefined): string {
  if (likely?.length === bytes.length && bytes.every((byte, i) => byte === likely.charCodeAt(i))) return likely;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** werift restarts ICE in the description only, and never checks the new pairs once DTLS is connected. */
function restartIce({ state, iceTransport }: RTCDtlsTransport): void {
  if (state !== 'connected' || iceTransport.connection.nominated) return;
  // What fails is told as the state of the connection.
  iceTransport.start().catch(() => undefined);
}
