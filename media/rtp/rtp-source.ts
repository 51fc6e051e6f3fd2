import { SAMPLES_PER_MS, msToSamples } from '../../src/core/audio.ts';
import type { AudioSource, GapCause, LaneAudio } from '../../src/core/audio.ts';
import { coalesced, type Clock } from '../../src/core/clock.ts';
import type { TrackStats } from '../../src/core/media-engine.ts';
import type { ObserveStage } from '../../src/core/stages.ts';
import type { RtpFormats } from './formats.ts';
import type { JitterBufferItem } from './jitter-buffer.ts';
import { DriftCorrection, QuietFrames, stretched } from './drift-correction.ts';
import { LaneClock } from './lane-clock.ts';
import { LaneQueue } from './lane-queue.ts';
import { LateSound } from './late-sound.ts';
import { isDtxPacket, opusFrameTicks, opusPacketHasFec, opusPacketTicks } from './opus-packet.ts';
import { CONCEALMENT_STEP_SAMPLES, OpusDecoder, TICKS_PER_SAMPLE } from './opus.ts';
import { PacketIntake } from './packet-intake.ts';
import type { SenderReport } from './rtcp-reader.ts';
import type { RtpPacket } from './packet.ts';
import { Timeline } from './timeline.ts';
import type { Placement } from './timeline.ts';

export interface RtpSourceOptions {
  readonly clock: Clock;
  /** What the packets hold, by payload type. Default: all are Opus. */
  readonly formats?: RtpFormats;
  /**
   * Sends one RTCP packet, not yet encrypted, to the track's sender: receiver reports, requests for lost packets.
   * Default: the engine sees to both by itself.
   */
  readonly sendRtcp?: (packet: Uint8Array) => void;
  /** Bounds of the wait for a missing packet, in ms; between them it follows the jitter and the round trip. Default 30 and 300. */
  readonly minTargetMs?: number;
  readonly maxTargetMs?: number;
  /** Loss up to this is concealed; of a longer one only the beginning. In ms, default 60, at most 120. */
  readonly maxConcealmentMs?: number;
  /** Time without packets after a packet that announced silence, before gaps are announced. In ms, default 100. */
  readonly dtxAfterMs?: number;
  /** The same after any other packet: it may only be late. In ms, default 300. */
  readonly muteAfterMs?: number;
  /** Audio that may wait for the lane, in ms. Beyond it the oldest is dropped. Default 10,000. */
  readonly maxQueueMs?: number;
  /** Told what each packet waited and cost: `jitter`, `decode`, `queue`. Default: nobody is told. */
  readonly observe?: ObserveStage;
}

/** What an engine knows that reports to the sender, and asks it for lost packets, by itself. */
export interface EngineFigures {
  /** Absent while it is not known. */
  readonly roundTripMs?: number;
  /** These are counted since they were told last. */
  readonly retransmissionsAsked: number;
  readonly recoveredByRetransmission: number;
}

/** While nothing comes, time that passed is announced this often, in ms. */
const ANNOUNCE_EVERY_MS = 100;
/** A gap up to this, with no packet missing, is the clocks' difference: the frame behind it is made longer instead. */
const MAX_STRETCH_SAMPLES = 4;

type PacketItem = Extract<JitterBufferItem, { kind: 'packet' }>;

/**
 * The audio of one remote Opus track: packets in any order go in, lane audio comes out.
 *
 *     push -> PacketIntake -> Timeline -> OpusDecoder -> LaneQueue -> lane
 *               (order)        (gaps)      (PCM)          (bound)
 *
 * - Loss: up to `maxConcealmentMs` is made up, from the FEC copy in the packet after it where there is one, else by
 *   extrapolation. Of a longer loss the first `maxConcealmentMs` are extrapolated, the last frame comes out of the
 *   FEC copy, and what lies between is a gap of cause `loss`. A corrupt packet counts as lost.
 * - A step of RTP time with no packet missing is a gap of cause `dtx`.
 * - Silence is announced while it lasts: when no packet has come for `dtxAfterMs` or `muteAfterMs`, the time that passed
 *   by the arrival clock, less the wait for a missing packet, is put out as gaps of cause `dtx` or `mute`, every 100 ms. When packets
 *   come again RTP time has the word: what it says beyond the announced gap follows as a gap; if too much was
 *   announced, the audio follows at once, and later gaps are shorter by the surplus (see {@link Timeline}); in pauses every other silent
 *   frame is left out, and frames of speech lose a sample each. A reader that asked to {@link RtpSource.retract} is told instead how much
 *   of a `mute` was sound that came late ({@link LateSound}).
 * - Drift: lane time is kept to the time of `clock` ({@link LaneClock}) by making gaps longer or shorter, and frames of speech by a
 *   sample, before the two differ by a frame.
 *
 * Every item starts where the one before it ended, the first at sample 0 with the first packet.
 */
export class RtpSource implements AudioSource {
  readonly #clock: Clock;
  readonly #observe: ObserveStage;
  readonly #maxConcealmentSamples: number;
  readonly #dtxAfterMs: number;
  readonly #muteAfterMs: number;
  readonly #intake: PacketIntake;
  readonly #timeline = new Timeline();
  readonly #laneClock = new LaneClock();
  readonly #drift = new DriftCorrection();
  readonly #quiet = new QuietFrames();
  /** Undefined while the reader does not hold silence back. */
  #late: LateSound | undefined;
  readonly #decoder = new OpusDecoder();
  readonly #queue: LaneQueue;
  #closed = false;
  #timer: { readonly dueMs: number; readonly cancel: () => void } | undefined;
  /** When the last packet was put out, by its arrival; undefined before the first. */
  #lastArrivalMs: number | undefined;
  #lastWasDtx = false;
  /** What the silence that is being announced is called; undefined while packets come. */
  #announcing: GapCause | undefined;
  /** Until when, while it is. */
  #announcedMs = 0;
  /** Packets missing before the next one. */
  #missing = 0;
  #corrupt = 0;
  #surplus = 0;
  #senderReports = 0;
  #askedByEngine = 0;
  #retransmittedToEngine = 0;
  #recoveredByFec = 0;
  #concealedSamples = 0;
  #gapSamples = 0;

  /** Throws `BACKEND_UNAVAILABLE` when libopus is not installed. */
  constructor(options: RtpSourceOptions) {
    this.#clock = options.clock;
    this.#observe = options.observe ?? (() => undefined);
    const { formats, sendRtcp, minTargetMs, maxTargetMs } = options;
    this.#intake = new PacketIntake({
      ...(formats && { formats }),
      ...(sendRtcp && { sendRtcp }),
      target: { ...(minTargetMs !== undefined && { minMs: minTargetMs }), ...(maxTargetMs !== undefined && { maxMs: maxTargetMs }) },
    });
    this.#maxConcealmentSamples = msToSamples(Math.min(120, options.maxConcealmentMs ?? 60));
    this.#dtxAfterMs = options.dtxAfterMs ?? 100;
    this.#muteAfterMs = options.muteAfterMs ?? 300;
    this.#queue = new LaneQueue(msToSamples(options.maxQueueMs ?? 10_000), {
      discarded: () => this.#stop(),
      taken: (item, queuedMs) => {
        if (item.kind === 'pcm') this.#observe('queue', this.#clock.nowMs() - queuedMs);
      },
    });
  }

  /** Takes a packet of the track. `nowMs` is its arrival on the source's clock. Ignored after `close`. */
  push(packet: RtpPacket, nowMs: number): void {
    if (this.#closed) return;
    this.#intake.push(packet, nowMs);
    this.#drain(nowMs);
  }

  /** Takes decrypted RTCP of the track's transport; what is about other streams is passed over. `nowMs` as for `push`. */
  receiveRtcp(compound: Uint8Array, nowMs: number): void {
    if (this.#closed) return;
    this.#intake.receiveRtcp(compound, nowMs, (report) => this.onSenderReport(report, nowMs));
    this.#noteRoundTrip(nowMs);
  }

  /** The track's own sender report; for engines that read RTCP by themselves. `nowMs` as for `push`. */
  onSenderReport({ timestamp, ntpMs }: Pick<SenderReport, 'timestamp' | 'ntpMs'>, nowMs: number): void {
    if (this.#closed) return;
    this.#senderReports += 1;
    this.#laneClock.onSenderReport(timestamp, ntpMs, nowMs);
  }

  /** When the lane's sample 0 was captured, by `clock`: undefined before the first packet, and moves a little in the first 3 s. */
  get originMs(): number | undefined {
    return this.#laneClock.originMs;
  }

  onEngineFigures({ roundTripMs, retransmissionsAsked, recoveredByRetransmission }: EngineFigures): void {
    this.#askedByEngine += retransmissionsAsked;
    this.#retransmittedToEngine += recoveredByRetransmission;
    if (roundTripMs === undefined) return;
    this.#intake.setRoundTrip(roundTripMs);
    this.#noteRoundTrip(this.#clock.nowMs());
  }

  /** What the packets hold, after a negotiation. */
  setFormats(formats: RtpFormats): void {
    this.#intake.setFormats(formats);
  }

  stats(): TrackStats {
    const intake = this.#intake.stats();
    const { recoveredByRed } = intake;
    const recoveredByRetransmission = intake.recoveredByRetransmission + this.#retransmittedToEngine;
    return {
      packetsReceived: intake.received,
      packetsLost: intake.lost + this.#corrupt,
      packetsLate: intake.late + this.#surplus,
      packetsRecovered: this.#recoveredByFec + recoveredByRed + recoveredByRetransmission,
      recoveredByFec: this.#recoveredByFec,
      recoveredByRed,
      recoveredByRetransmission,
      packetsReordered: intake.reordered,
      retransmissionsAsked: intake.retransmissionsAsked + this.#askedByEngine,
      concealedSamples: this.#concealedSamples,
      gapSamples: this.#gapSamples - this.#doubtfulSamples() + this.#queue.droppedSamples,
      jitterMs: intake.jitterMs,
      targetDelayMs: intake.targetDelayMs,
      bufferMs: this.#intake.heldMs(this.#clock.nowMs()),
      driftPpm: this.#laneClock.driftPpm ?? null,
      driftCorrectionSamples: this.#drift.totalSamples,
      senderReports: this.#senderReports,
      roundTripMs: intake.roundTripMs ?? null,
    };
  }

  retract(): void {
    this.#late ??= new LateSound();
  }

  /** Puts out what the jitter buffer holds, then ends the iteration. Idempotent. */
  close(): void {
    if (this.#closed) return;
    for (const item of this.#intake.flush()) this.#play(item);
    this.#stop();
    this.#queue.end();
  }

  [Symbol.asyncIterator](): AsyncIterator<LaneAudio, void, void> {
    return this.#queue[Symbol.asyncIterator]();
  }

  #noteRoundTrip(nowMs: number): void {
    const { roundTripMs } = this.#intake;
    if (roundTripMs !== undefined) this.#laneClock.onRoundTrip(roundTripMs, nowMs);
  }

  #stop(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #drain(nowMs: number): void {
    for (const item of this.#intake.pop(nowMs)) this.#play(item);
    const waitDueMs = this.#intake.nextDueMs();
    if (waitDueMs !== undefined) this.#wakeAt(waitDueMs, nowMs);
    else if (this.#lastArrivalMs !== undefined) this.#wakeAt(coalesced(this.#silenceDueMs()), nowMs);
  }

  /** One timer serves all: it is only moved forward, and looks when it fires whether its reason still holds. */
  #wakeAt(dueMs: number, nowMs: number): void {
    if (this.#timer && this.#timer.dueMs <= dueMs) return;
    this.#timer?.cancel();
    const cancel = this.#clock.setTimer(Math.max(0, dueMs - nowMs), () => {
      this.#timer = undefined;
      this.#onTimer(this.#clock.nowMs());
    });
    this.#timer = { dueMs, cancel };
  }

  #onTimer(nowMs: number): void {
    const dueMs = this.#silenceDueMs();
    if (nowMs >= dueMs && this.#intake.nextDueMs() === undefined) {
      // However late the timer comes, silence is announced up to a time at which it was due: behind that a packet may be on its way.
      this.#announcedMs = nowMs - ((nowMs - dueMs) % ANNOUNCE_EVERY_MS);
      this.#announcing ??= this.#lastWasDtx ? 'dtx' : 'mute';
      this.#announce(this.#timeline.silentSamples(this.#announcedMs - this.#intake.expectedMs), this.#announcing);
    }
    this.#drain(nowMs);
  }

  /** Of what was announced. It does not count yet: a figure that only grows must not be taken back. */
  #doubtfulSamples(): number {
    return this.#late?.doubtfulSamples ?? 0;
  }

  #announce(samples: number, cause: GapCause): void {
    this.#putGap(samples, cause);
    if (cause === 'mute') this.#late?.announced(samples);
  }

  /** When silence is announced next if no packet comes; never before the first one. */
  #silenceDueMs(): number {
    if (this.#announcing !== undefined) return this.#announcedMs + ANNOUNCE_EVERY_MS;
    return (this.#lastArrivalMs ?? Infinity) + (this.#lastWasDtx ? this.#dtxAfterMs : this.#muteAfterMs);
  }

  #play(item: JitterBufferItem): void {
    if (item.kind === 'lost') {
      this.#missing += item.count;
      return;
    }
    // Padding only: a probe for bandwidth. It has a sequence number and no sound.
    if (item.packet.payload.length === 0) return;
    this.#playPacket(item);
  }

  #playPacket({ packet, arrivalMs, isCopy, restart }: PacketItem): void {
    const { payload } = packet;
    const ticks = opusPacketTicks(payload);
    if (ticks === undefined) {
      this.#corrupt += 1;
      this.#missing += 1;
      return;
    }
    if (restart) this.#decoder.reset();
    else this.#correctDrift(packet.timestamp);
    const placement = this.#timeline.place(packet.timestamp, ticks, arrivalMs, restart);
    const stretchSamples = this.#missing === 0 && placement.gapSamples <= MAX_STRETCH_SAMPLES ? placement.gapSamples : 0;
    // Silence that was announced for as long as packets were missing was loss, and is called so, be it by a sample.
    const gapSamples = this.#missing > 0 && this.#announcing === 'mute' ? Math.max(1, placement.gapSamples) : placement.gapSamples;
    if (gapSamples > stretchSamples) this.#fill(gapSamples, payload, restart);
    // A copy came with another packet, whose time it is.
    if (!isCopy) this.#laneClock.observe(packet.timestamp, ticks, arrivalMs, placement.isNewClock);
    this.#missing = 0;
    this.#announcing = undefined;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs ?? arrivalMs, arrivalMs);
    this.#lastWasDtx = isDtxPacket(payload);
    const startMs = this.#clock.nowMs();
    this.#observe('jitter', startMs - arrivalMs);
    const pcm = this.#decoder.decode(payload);
    this.#observe('decode', this.#clock.nowMs() - startMs);
    if (placement.surplus) this.#surplus += 1;
    else if (pcm) this.#putFrame(pcm, placement, stretchSamples, arrivalMs);
    else this.#concealCorrupt(ticks / TICKS_PER_SAMPLE);
    if (!placement.surplus) this.#takeBack(this.#late?.came(ticks / TICKS_PER_SAMPLE, placement.behindSamples, arrivalMs) ?? 0);
  }

  /** Moves the place of RTP time in the lane toward the time of the clock. */
  #correctDrift(timestamp: number): void {
    const laneMs = this.#laneClock.laneMs(timestamp);
    if (laneMs === undefined) return;
    const expected = this.#timeline.expectedSample(timestamp);
    const silence = this.#missing === 0 ? Math.max(0, expected - this.#timeline.positionSamples) : 0;
    this.#timeline.shift(this.#drift.next(laneMs * SAMPLES_PER_MS - expected, silence > MAX_STRETCH_SAMPLES ? silence : 0));
  }

  /** A decoded frame, longer or shorter where the lane's time wants it, or none at all. */
  #putFrame(pcm: Int16Array, { aheadSamples }: Placement, stretchSamples: number, nowMs: number): void {
    const surplusSamples = this.#doubtfulSamples() > 0 ? 0 : aheadSamples;
    if (surplusSamples >= pcm.length && this.#quiet.mayDrop(pcm, nowMs)) return;
    this.#putPcm(stretched(pcm, surplusSamples > 0 ? -1 : stretchSamples));
  }

  /** Fills the time before a packet: with made-up audio where packets were lost, with a gap otherwise. */
  #fill(gapSamples: number, next: Uint8Array, restart: boolean): void {
    if (this.#missing === 0 || restart) {
      this.#announce(gapSamples, this.#announcing ?? (restart ? 'loss' : 'dtx'));
      return;
    }
    // After announced silence there is nothing to extrapolate from.
    const canExtrapolate = this.#announcing === undefined;
    const fecSamples = opusPacketHasFec(next) ? opusFrameTicks(next) / TICKS_PER_SAMPLE : 0;
    const wholeSteps = gapSamples - (gapSamples % CONCEALMENT_STEP_SAMPLES);
    if (canExtrapolate && gapSamples <= this.#maxConcealmentSamples && fecSamples <= wholeSteps) {
      this.#putGap(gapSamples - wholeSteps, 'loss');
      this.#putMadeUp(wholeSteps, fecSamples > 0 ? next : undefined);
      return;
    }
    const extrapolated = canExtrapolate ? Math.min(wholeSteps, this.#maxConcealmentSamples) : 0;
    this.#putMadeUp(extrapolated, undefined);
    const rest = gapSamples - extrapolated;
    const recovered = fecSamples > 0 && fecSamples <= rest ? fecSamples : 0;
    this.#putGap(rest - recovered, 'loss');
    this.#putMadeUp(recovered, next);
  }

  #putMadeUp(samples: number, fecPacket: Uint8Array | undefined): void {
    if (samples === 0) return;
    const pcm = fecPacket ? this.#decoder.recover(fecPacket, samples) : this.#decoder.conceal(samples);
    if (!pcm) {
      this.#putGap(samples, 'loss');
      return;
    }
    if (fecPacket) this.#recoveredByFec += 1;
    this.#concealedSamples += samples;
    this.#putPcm(pcm);
  }

  #concealCorrupt(samples: number): void {
    this.#corrupt += 1;
    const concealed = Math.min(samples, this.#maxConcealmentSamples);
    this.#putMadeUp(concealed, undefined);
    this.#putGap(samples - concealed, 'loss');
  }

  #putPcm(samples: Int16Array): void {
    const frame: LaneAudio = { kind: 'pcm', startSample: this.#timeline.positionSamples, samples };
    this.#queue.push(frame, this.#clock.nowMs());
    this.#timeline.advance(samples.length);
  }

  #putGap(lengthSamples: number, cause: GapCause): void {
    if (lengthSamples <= 0) return;
    this.#queue.push({ kind: 'gap', startSample: this.#timeline.positionSamples, lengthSamples, cause });
    this.#gapSamples += lengthSamples;
    this.#timeline.advance(lengthSamples);
  }

  /** Silence that was announced was none. */
  #takeBack(samples: number): void {
    if (samples === 0) return;
    this.#queue.push({ kind: 'gap', startSample: this.#timeline.positionSamples, lengthSamples: -samples, cause: 'mute' });
    this.#gapSamples -= samples;
    this.#timeline.takeBack(samples);
  }
}
