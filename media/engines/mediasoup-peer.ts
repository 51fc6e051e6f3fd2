import { EarshotError } from '../../src/core/errors.ts';
import type { IceCandidate, Peer, PeerHandlers, PeerState } from '../../src/core/media-engine.ts';
import { RtpSource, type RtpSourceOptions } from '../rtp/rtp-source.ts';
import { formatsOf, type RecoveryMeans, withOpusParameters } from './answer.ts';
import { type ConnectionOffer, readConnection } from './connection-offer.ts';
import { writeAnswer } from './mediasoup-answer.ts';
import { type LinkState, MediasoupLink, type WantedSection } from './mediasoup-link.ts';
import type { MediaWorkers } from './mediasoup-workers.ts';
import { PacketRate } from './packet-rate.ts';
import { isCandidate, type Offer, type OfferLimits, readOffer } from './offer.ts';

export interface MediasoupPeerOptions {
  readonly handlers: PeerHandlers;
  readonly workers: MediaWorkers;
  readonly limits: OfferLimits;
  readonly announcedAddresses: readonly string[];
  readonly recovery: RecoveryMeans;
  readonly maxPacketsPerSecond: number;
  readonly idleTimeoutMs: number;
  readonly track: RtpSourceOptions;
  readonly warn: (message: string, cause?: unknown) => void;
  /** Called once, when the peer is closed for whatever reason. */
  readonly onClosed: () => void;
}

/**
 * A client as a {@link Peer}. Its connection may be replaced while its tracks go on: when its worker dies, and when the
 * client comes with a new one (another DTLS certificate in its offer).
 *
 *     answer() ---> connecting ---> connected <---> disconnected <--- the worker died: `reconnect()`, a new offer resumes
 *                        |              |                |
 *                        +--------------+----------------+------> DTLS failed or closed by the client,
 *                                       v                         no connection for `idleTimeoutMs`, close()
 *                                    closed: sources end, `state('closed')`, then the worker forgets it
 */
export class MediasoupPeer implements Peer {
  readonly #options: MediasoupPeerOptions;
  readonly #sources = new Map<string, RtpSource>();
  #link: MediasoupLink | undefined;
  readonly #rate: PacketRate;
  #mids: readonly string[] = [];
  #negotiating: Promise<unknown> = Promise.resolve();
  #state: PeerState | undefined;
  #cancelIdleTimer: () => void = () => undefined;
  readonly #closedEarly = Promise.withResolvers<never>();
  #closing: Promise<void> | undefined;

  constructor(options: MediasoupPeerOptions) {
    this.#options = options;
    this.#rate = new PacketRate(options.maxPacketsPerSecond);
    this.#closedEarly.promise.catch(() => undefined);
    this.#startIdleTimer();
  }

  answer(offerSdp: string): Promise<string> {
    const answered = this.#negotiating.then(() => this.#negotiate(offerSdp));
    this.#negotiating = answered.catch(() => undefined);
    return Promise.race([answered, this.#closedEarly.promise]);
  }

  /** Candidates are checked and not needed: this side waits for checks and answers them (ICE-lite). */
  async addCandidate(candidate: IceCandidate | null): Promise<void> {
    await Promise.resolve();
    if (!this.#link || this.#closing) throw new EarshotError('SESSION_CONFLICT', 'There is no offer yet that the candidate could belong to.');
    if (candidate === null || candidate.candidate === '') return;
    if (!isCandidate(candidate.candidate.replace(/^a=/, ''))) throw new EarshotError('ICE_CANDIDATE_INVALID', 'The ICE candidate cannot be parsed.');
    const { sdpMid, sdpMLineIndex } = candidate;
    const isKnown = typeof sdpMid === 'string' ? this.#mids.includes(sdpMid) : (sdpMLineIndex ?? 0) < this.#mids.length;
    if (!isKnown) throw new EarshotError('ICE_CANDIDATE_INVALID', 'The ICE candidate belongs to no media section.');
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #negotiate(offerSdp: string): Promise<string> {
    if (this.#closing) throw new EarshotError('SESSION_CONFLICT', 'The connection is closed.');
    const { recovery } = this.#options;
    const offer = withoutRtx(readOffer(offerSdp, this.#options.limits, this.#link === undefined));
    const remote = readConnection(offer);
    const carried = offer.sections.filter(({ mid }) => remote.mids.includes(mid));
    const wanted = carried.filter((section) => section.isReceivable).map((section) => ({ section, formats: formatsOf(section, recovery) }));
    const hasChannels = carried.some((section) => section.sctpPort !== undefined);
    const link = this.#link?.isOf(remote) === true ? this.#link : await this.#open(remote);
    const local = await link.apply(remote, wanted, hasChannels).catch((cause: unknown) => {
      if (link !== this.#link) link.close();
      throw new EarshotError('CAPACITY_EXCEEDED', 'The media worker cannot take the connection.', { cause, retryAfterSeconds: 1 });
    });
    if (this.#isClosing()) {
      link.close();
      throw new EarshotError('SESSION_CONFLICT', 'The connection is closed.');
    }
    this.#adopt(link, wanted);
    this.#mids = offer.sections.map(({ mid }) => mid);
    return withOpusParameters(writeAnswer(offer, remote.mids, local), offer.sections, recovery);
  }

  async #open(remote: ConnectionOffer): Promise<MediasoupLink> {
    const { workers, track, announcedAddresses, handlers } = this.#options;
    const worker = await workers.place();
    const link: MediasoupLink = await MediasoupLink.open(
      {
        worker,
        clock: track.clock,
        announcedAddresses,
        channel: handlers.channel && ((channel) => this.#guard('channel', () => handlers.channel?.(channel))),
        packets: (mid) => {
          let source: RtpSource | undefined;
          return (packet) => {
            const nowMs = track.clock.nowMs();
            // The source is there once the offer is answered, and lasts as long as its section.
            source ??= this.#sources.get(mid);
            if (this.#rate.allows(nowMs)) source?.push(packet, nowMs);
          };
        },
        reports: (mid) => ({
          senderReport: (report) => this.#sources.get(mid)?.onSenderReport(report, track.clock.nowMs()),
          figures: (figures) => this.#sources.get(mid)?.onEngineFigures(figures),
        }),
        state: (state) => this.#onLinkState(link, state),
      },
      remote,
    ).catch((cause: unknown) => {
      throw new EarshotError('CAPACITY_EXCEEDED', 'The media worker cannot take the connection.', { cause, retryAfterSeconds: 1 });
    });
    return link;
  }

  /** From here on this is the connection. Opens a track for each section that sends, ends those of sections that no longer do. */
  #adopt(link: MediasoupLink, wanted: readonly WantedSection[]): void {
    if (link !== this.#link) {
      this.#link?.close();
      this.#link = link;
      this.#setState('connecting');
    }
    for (const [mid, source] of this.#sources) {
      if (wanted.some(({ section }) => section.mid === mid)) continue;
      source.close();
      this.#sources.delete(mid);
    }
    for (const each of wanted) this.#openTrack(each);
  }

  #openTrack({ section: { mid }, formats }: WantedSection): void {
    this.#sources.get(mid)?.setFormats(formats);
    if (this.#sources.has(mid)) return;
    // Reports and requests are written by the worker.
    const source = new RtpSource({ ...this.#options.track, formats });
    this.#sources.set(mid, source);
    this.#guard('track', () => this.#options.handlers.track({ label: mid, source, stats: () => source.stats() }));
  }

  #onLinkState(link: MediasoupLink, state: LinkState): void {
    if (link !== this.#link) return;
    if (state === 'closed') void this.close();
    else if (state !== 'lost') this.#setState(state);
    else {
      this.#setState('disconnected');
      this.#guard('reconnect', () => this.#options.handlers.reconnect?.());
    }
  }

  #setState(state: PeerState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    if (state === 'connected') this.#cancelIdleTimer();
    else if (state === 'disconnected') this.#startIdleTimer();
    this.#guard('state', () => this.#options.handlers.state(state));
  }

  #startIdleTimer(): void {
    this.#cancelIdleTimer();
    this.#cancelIdleTimer = this.#options.track.clock.setTimer(this.#options.idleTimeoutMs, () => void this.close());
  }

  async #shutDown(): Promise<void> {
    this.#cancelIdleTimer();
    for (const source of this.#sources.values()) source.close();
    this.#options.onClosed();
    this.#setState('closed');
    this.#closedEarly.reject(new EarshotError('SESSION_CONFLICT', 'The connection was closed.'));
    await this.#negotiating;
    this.#link?.close();
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

/** Each SSRC in one section, and no stream for retransmissions: mediasoup takes them on the stream itself only, for audio. */
function withoutRtx(offer: Offer): Offer {
  const taken = new Set<number>();
  const sections = offer.sections.map((section) => {
    const ssrcs = section.ssrcs.filter((ssrc) => !taken.has(ssrc));
    for (const ssrc of ssrcs) taken.add(ssrc);
    return { ...section, ssrcs, rtx: [] };
  });
  return { ...offer, sections };
}
