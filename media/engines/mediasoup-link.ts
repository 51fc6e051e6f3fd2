import type { types } from 'mediasoup';
import { coalesced, type Clock } from '../../src/core/clock.ts';
import type { PeerHandlers } from '../../src/core/media-engine.ts';
import type { RtpFormats } from '../rtp/formats.ts';
import type { RtpPacket } from '../rtp/packet.ts';
import { parseRtpPacket, rtpPayloadType } from '../rtp/packet.ts';
import type { ConnectionOffer } from './connection-offer.ts';
import type { LocalConnection } from './mediasoup-answer.ts';
import { localCandidates } from './local-candidates.ts';
import { MediasoupChannels } from './mediasoup-channels.ts';
import { followReports, type ReportHandlers } from './mediasoup-reports.ts';
import { type MediaWorker, OPUS, REDUNDANT } from './mediasoup-workers.ts';
import type { OfferedSection } from './offer.ts';

export interface LinkOptions {
  readonly worker: MediaWorker;
  readonly clock: Clock;
  readonly announcedAddresses: readonly string[];
  readonly channel: PeerHandlers['channel'];
  /** What takes the packets of the section with this mid. */
  readonly packets: (mid: string) => (packet: RtpPacket) => void;
  /** What its sender reports. */
  readonly reports: (mid: string) => ReportHandlers;
  readonly state: (state: LinkState) => void;
}

/** `lost`: the worker died. `closed`: the client left, or DTLS failed. Both are last. */
export type LinkState = 'connected' | 'disconnected' | 'closed' | 'lost';

/** A section that is received, and what its packets hold. */
export interface WantedSection {
  readonly section: OfferedSection;
  readonly formats: RtpFormats;
}

interface Reception extends WantedSection {
  readonly producer: types.Producer;
  /** The payload type that the producer takes its stream to begin with; it does not begin with another. */
  readonly firstPayloadType: number;
  /** What the offer said of the section when the producer was made. */
  readonly signature: string;
  /** Negative until one has come. */
  lastPacketMs: number;
  /** The next time at which its silence is looked into, and the pause after that. */
  lookAtMs: number;
  pauseMs: number;
}

/** A section is silent after this long. A sender in DTX sends every 400 ms. */
const SILENT_AFTER_MS = 500;
const LOOK_EVERY_MS = 250;
const LONGEST_LOOK_PAUSE_MS = 8000;

const MAX_MESSAGE_BYTES = 262_144;
const MID_EXTENSION = 'urn:ietf:params:rtp-hdrext:sdes:mid';

/**
 * One client's connection to one worker: a WebRTC transport, a producer with a consumer per section, data channels.
 *
 *     client -- SRTP --> transport -> producer -> consumer -- UDP --> packet()       ({@link WorkerPackets})
 */
export class MediasoupLink {
  readonly #options: LinkOptions;
  readonly #transport: types.WebRtcTransport;
  readonly #channels: MediasoupChannels | undefined;
  readonly #receptions = new Map<string, Reception>();
  #remote: ConnectionOffer;
  #state: LinkState | undefined;
  #version = 1;
  #cancelLook: () => void = () => undefined;

  private constructor(options: LinkOptions, transport: types.WebRtcTransport, remote: ConnectionOffer) {
    const { worker, channel } = options;
    this.#options = options;
    this.#transport = transport;
    this.#remote = remote;
    this.#channels = channel && new MediasoupChannels(worker, transport, options.clock, channel);
    worker.links.add(this);
    transport.on('icestatechange', () => this.#look());
    transport.on('dtlsstatechange', () => this.#look());
  }

  /** Rejects if the worker cannot, and leaves nothing behind then. */
  static async open(options: LinkOptions, remote: ConnectionOffer): Promise<MediasoupLink> {
    const { router, server } = options.worker;
    const transport = await router.createWebRtcTransport({ webRtcServer: server, enableTcp: true, preferUdp: true, enableSctp: true, maxSendMessageSize: MAX_MESSAGE_BYTES, maxReceiveMessageSize: MAX_MESSAGE_BYTES });
    const link = new MediasoupLink(options, transport, remote);
    try {
      await transport.connect({ dtlsParameters: { role: 'client', fingerprints: [remote.fingerprint] } });
    } catch (error) {
      link.close();
      throw error;
    }
    return link;
  }

  /** Is the offer about this connection, or about one that is to take its place? */
  isOf(remote: ConnectionOffer): boolean {
    return this.#state !== 'lost' && this.#state !== 'closed' && remote.fingerprint.value === this.#remote.fingerprint.value;
  }

  /** Receives what is offered now and nothing else. Rejects if the worker cannot: what was received before is still received then. */
  async apply(remote: ConnectionOffer, wanted: readonly WantedSection[], hasChannels: boolean): Promise<LocalConnection> {
    for (const mid of this.#receptions.keys()) if (!wanted.some(({ section }) => section.mid === mid)) this.#drop(mid);
    for (const each of wanted) await this.#receive(each);
    if (hasChannels) await this.#channels?.listen();
    if (remote.iceUfrag !== this.#remote.iceUfrag) await this.#transport.restartIce();
    this.#remote = remote;
    return this.#local();
  }

  /** Idempotent; tells the client. No state follows. */
  close(): void {
    this.#end();
    this.#state ??= 'closed';
    this.#transport.close();
  }

  /** The worker tells that it is dead. */
  lost(): void {
    this.#end();
    this.#tell('lost');
  }

  #end(): void {
    this.#cancelLook();
    this.#options.worker.links.delete(this);
    this.#channels?.end();
  }

  async #receive(wanted: WantedSection): Promise<void> {
    const { section, formats } = wanted;
    const signature = JSON.stringify([formats, section.ssrcs, section.midExtensionId]);
    if (this.#receptions.get(section.mid)?.signature === signature) return;
    const { opus, red } = formats;
    await this.#produce(wanted, { ssrc: section.ssrcs[0], firstPayloadType: red[0] ?? opus[0] ?? 0, signature });
  }

  /** A producer cannot be changed: the one there was makes way for one that fits. */
  async #produce(wanted: WantedSection, stream: { readonly ssrc: number | undefined; readonly firstPayloadType: number; readonly signature: string }): Promise<void> {
    const { section, formats } = wanted;
    const { ssrc, firstPayloadType, signature } = stream;
    this.#drop(section.mid);
    const { worker, clock, packets, reports } = this.#options;
    const producer = await this.#transport.produce({ kind: 'audio', rtpParameters: producerParameters(section, formats, ssrc, firstPayloadType) });
    const reception: Reception = { ...wanted, producer, firstPayloadType, signature, lastPacketMs: -1, lookAtMs: clock.nowMs() + SILENT_AFTER_MS, pauseMs: LOOK_EVERY_MS };
    this.#receptions.set(section.mid, reception);
    // The worker gives all producers the payload types of its router.
    const original = originalPayloadTypes(worker.router.rtpCapabilities, formats);
    const take = packets(section.mid);
    await worker.packets.receive(producer, (bytes) => {
      const payloadType = original[rtpPayloadType(bytes)];
      const packet = payloadType === undefined ? undefined : parseRtpPacket(bytes, payloadType);
      if (!packet) return;
      reception.lastPacketMs = clock.nowMs();
      take(packet);
    });
    await followReports(producer, reports(section.mid));
  }

  /** While connected, sections that have fallen silent are looked into, ever more rarely. */
  #watch(): void {
    this.#cancelLook();
    const { clock } = this.#options;
    const startMs = clock.nowMs();
    this.#cancelLook = clock.setTimer(coalesced(startMs + LOOK_EVERY_MS) - startMs, () => {
      const nowMs = clock.nowMs();
      for (const reception of this.#receptions.values()) {
        if (reception.lastPacketMs >= 0 && nowMs - reception.lastPacketMs < SILENT_AFTER_MS) reception.pauseMs = LOOK_EVERY_MS;
        else if (nowMs >= reception.lookAtMs) {
          reception.lookAtMs = nowMs + reception.pauseMs;
          reception.pauseMs = Math.min(LONGEST_LOOK_PAUSE_MS, reception.pauseMs * 2);
          void this.#lookInto(reception).catch(() => undefined);
        }
      }
      if (this.#state === 'connected') this.#watch();
    });
  }

  /**
   * mediasoup finds the section of a packet by its MID and then drops it, because a producer has one stream in its life: a sender that goes
   * on under another SSRC, or that does not begin with the format that it was asked for first, is given another producer.
   */
  async #lookInto(reception: Reception): Promise<void> {
    const { section, formats, producer, firstPayloadType, signature } = reception;
    const [{ rtpListener }, streams] = await Promise.all([this.#transport.dump(), producer.getStats()]);
    if (this.#receptions.get(section.mid) !== reception) return;
    const bound = streams[0]?.ssrc;
    const heard = rtpListener.ssrcTable.filter(({ key, value }) => value === producer.id && key !== bound && !section.ssrcs.includes(key)).at(-1)?.key;
    if (bound !== undefined && heard !== undefined) await this.#produce(reception, { ssrc: heard, firstPayloadType, signature });
    const others = [...formats.red, ...formats.opus].filter((payloadType) => payloadType !== firstPayloadType);
    const [other] = others;
    if (bound === undefined && other !== undefined && (await this.#bytesReceived()) > 0) await this.#produce(reception, { ssrc: heard ?? section.ssrcs[0], firstPayloadType: other, signature });
  }

  async #bytesReceived(): Promise<number> {
    const [stats] = await this.#transport.getStats();
    return stats?.rtpBytesReceived ?? 0;
  }

  #drop(mid: string): void {
    this.#receptions.get(mid)?.producer.close();
    this.#receptions.delete(mid);
  }

  #local(): LocalConnection {
    const { iceParameters, dtlsParameters, sctpParameters } = this.#transport;
    const fingerprint = dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256') ?? dtlsParameters.fingerprints[0];
    if (!fingerprint) throw new Error('the worker has no certificate');
    return {
      iceUfrag: iceParameters.usernameFragment,
      icePwd: iceParameters.password,
      fingerprint: { ...fingerprint, value: fingerprint.value.toUpperCase() },
      candidates: localCandidates(this.#options.worker.sockets, this.#options.announcedAddresses),
      sctpPort: sctpParameters?.port ?? 5000,
      maxMessageBytes: MAX_MESSAGE_BYTES,
      version: this.#version++,
    };
  }

  #look(): void {
    const { iceState, dtlsState } = this.#transport;
    if (dtlsState === 'failed' || dtlsState === 'closed') this.#tell('closed');
    else if (iceState === 'disconnected') this.#tell('disconnected');
    else if (dtlsState === 'connected' && (iceState === 'connected' || iceState === 'completed')) this.#tell('connected');
  }

  #tell(state: LinkState): void {
    if (this.#state === state || this.#state === 'closed' || this.#state === 'lost') return;
    this.#state = state;
    if (state === 'connected') this.#watch();
    this.#options.state(state);
  }
}

/** What a producer is told of a section. Redundant audio goes by a name that mediasoup knows and does nothing with. */
function producerParameters(section: OfferedSection, { opus, red, nack }: RtpFormats, ssrc: number | undefined, firstPayloadType: number): types.RtpParameters {
  const rtcpFeedback = nack ? [{ type: 'nack' }] : [];
  return {
    mid: section.mid,
    codecs: [
      ...opus.map((payloadType) => ({ ...OPUS, payloadType, rtcpFeedback })),
      ...red.map((payloadType) => ({ ...REDUNDANT, payloadType, rtcpFeedback })),
    ].sort((one, other) => Number(other.payloadType === firstPayloadType) - Number(one.payloadType === firstPayloadType)),
    headerExtensions: section.midExtensionId === undefined ? [] : [{ uri: MID_EXTENSION, id: section.midExtensionId }],
    encodings: [ssrc === undefined ? {} : { ssrc }],
  };
}

/** What the router's payload types, with which packets come, were before; by the router's. */
function originalPayloadTypes({ codecs = [] }: types.RtpCapabilities, { opus, red }: RtpFormats): readonly (number | undefined)[] {
  const original: (number | undefined)[] = [];
  for (const { mimeType, preferredPayloadType } of codecs) original[preferredPayloadType] = (mimeType.toLowerCase() === OPUS.mimeType ? opus : red)[0];
  return original;
}
