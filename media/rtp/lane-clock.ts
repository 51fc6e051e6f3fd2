import { OPUS_CLOCK_HZ, timestampDifference } from './packet.ts';
import { WindowedMinimum } from './windowed-minimum.ts';

const TICKS_PER_MS = OPUS_CLOCK_HZ / 1000;

/** Packets of so long tell the lane's origin, and where a new clock's zero is; then it stands. */
const SETTLE_MS = 3000;
/** When every packet of the last while is so much later than the fastest before, the path or the clock has changed. */
const STEP_MS = 300;
const STEP_WINDOW_MS = 2000;
/** A report may differ from those before by this, for the sender's rounding, and by this much of the time between: else its wall clock was set. */
const REPORT_NOISE_MS = 30;
const MAX_DRIFT = 0.001;
/** Weight of a new report's difference. */
const REPORT_WEIGHT = 1 / 4;
/** The drift is told by least delays so far apart, and at most so far. */
const DRIFT_EVERY_MS = 60_000;
const MAX_DRIFT_MARKS = 60;
/** Nothing is told of less; until then the clock before is thought to go on as it did. */
const MIN_DRIFT_SPAN_MS = 240_000;

interface DriftMark {
  readonly atMs: number;
  readonly offsetMs: number;
}

/**
 * When, by this server's clock, the audio of a sender was captured. Pure: times come in.
 *
 *     RTP time --- sender reports ---> sender's wall clock --- least delay, less half the round trip ---> this server's clock
 *
 * - Sender reports (RFC 3550, section 6.4.1) say what the sender's audio clock is worth in its wall clock, whatever the network does.
 *   Without them RTP time itself is taken for the wall clock; then the next step alone follows the audio clock's drift.
 *   The drift that is known is taken out beforehand.
 * - Of the packets of the last 20 s the one that came soonest after its last sample had the network's least delay. Half of the
 *   least round trip is the way of the sound; where no round trip is known the way counts as no time.
 *
 * Clocks 0.1 % apart, delays and wraps of the 32 bits are followed for as long as a stream lasts. The same sender's lanes agree to the
 * difference of their delays, lanes of different senders to the asymmetry of their networks.
 */
export class LaneClock {
  /** Unwrapped RTP time after the last packet; 0 at the first one's start. */
  #ticks = 0;
  #nextTimestamp: number | undefined;
  #lastArrivalMs = 0;
  #firstArrivalMs = 0;
  /** Since when RTP time has gone on without a break. */
  #clockSinceMs = 0;
  readonly #offsets = new WindowedMinimum();
  readonly #recentOffsets = new WindowedMinimum(STEP_WINDOW_MS);
  readonly #roundTrips = new WindowedMinimum();
  /** What RTP time lacks to the sender's wall clock by its reports, and what its known drift made it gain on this server's, in ms. */
  #wallMs = 0;
  #report: { readonly expectedMs: number; readonly arrivalMs: number } | undefined;
  #originMs: number | undefined;
  #driftPpm: number | undefined;
  /** Of the present clock. */
  readonly #marks: DriftMark[] = [];

  /** This server's time at which the first packet's first sample was captured; moves a little in the first 3 s. Undefined before it. */
  get originMs(): number | undefined {
    return this.#originMs;
  }

  /** How much faster the sender's audio clock runs than this server's, in parts per million; undefined in the first minutes. */
  get driftPpm(): number | undefined {
    return this.#driftPpm;
  }

  /** A packet as it is played; `isNewClock`: its RTP time has nothing to do with the one before. */
  observe(timestamp: number, durationTicks: number, arrivalMs: number, isNewClock: boolean): void {
    if (this.#nextTimestamp === undefined) this.#firstArrivalMs = this.#clockSinceMs = arrivalMs;
    this.#pass(this.#stepTicks(timestamp, durationTicks, arrivalMs, isNewClock) + durationTicks);
    this.#nextTimestamp = (timestamp + durationTicks) >>> 0;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrivalMs);
    if (isNewClock) this.#startClock(arrivalMs);
    const offsetMs = arrivalMs - this.#senderMs(this.#ticks);
    this.#offsets.add(offsetMs, arrivalMs);
    this.#recentOffsets.add(offsetMs, arrivalMs);
    this.#followStep(arrivalMs);
    if (this.#originMs === undefined || arrivalMs - this.#firstArrivalMs <= SETTLE_MS) this.#originMs = this.#captureMs(0);
    this.#markDrift(arrivalMs);
  }

  /** The sender's wall clock showed `ntpMs` at RTP time `timestamp`. Before the first packet it says nothing. */
  onSenderReport(timestamp: number, ntpMs: number, arrivalMs: number): void {
    if (this.#nextTimestamp === undefined) return;
    const ticks = this.#ticks + timestampDifference(timestamp, this.#nextTimestamp);
    const aheadMs = ntpMs - this.#senderMs(ticks);
    const before = this.#report;
    const noiseMs = REPORT_NOISE_MS + MAX_DRIFT * (arrivalMs - (before?.arrivalMs ?? arrivalMs));
    const changeMs = aheadMs - (before?.expectedMs ?? aheadMs);
    if (!before || Math.abs(changeMs) > noiseMs) {
      this.#report = { expectedMs: aheadMs, arrivalMs };
      return;
    }
    this.#wallMs += changeMs * REPORT_WEIGHT;
    this.#report = { expectedMs: before.expectedMs, arrivalMs };
  }

  onRoundTrip(roundTripMs: number, nowMs: number): void {
    this.#roundTrips.add(roundTripMs, nowMs);
  }

  /** Where the lane should be at RTP time `timestamp`, in ms since its origin; undefined until the origin stands, and while a step is looked at. */
  laneMs(timestamp: number): number | undefined {
    if (this.#originMs === undefined || this.#nextTimestamp === undefined) return undefined;
    if (this.#lastArrivalMs - this.#clockSinceMs <= SETTLE_MS || this.#stepMs() > STEP_MS / 2) return undefined;
    const stepMs = timestampDifference(timestamp, this.#nextTimestamp) / TICKS_PER_MS;
    return this.#captureMs(this.#ticks) + stepMs - this.#driftOver(stepMs) - this.#originMs;
  }

  #stepTicks(timestamp: number, durationTicks: number, arrivalMs: number, isNewClock: boolean): number {
    if (this.#nextTimestamp === undefined) return 0;
    if (!isNewClock) return timestampDifference(timestamp, this.#nextTimestamp);
    return Math.max(0, Math.round((arrivalMs - this.#lastArrivalMs) * TICKS_PER_MS)) - durationTicks;
  }

  /** RTP time goes on, at the speed that is known of it: so the least delays of before a long silence still hold after it. */
  #pass(ticks: number): void {
    this.#ticks += ticks;
    this.#wallMs -= this.#driftOver(ticks / TICKS_PER_MS);
  }

  /** Which delays the old clock's packets had says nothing of where the new one's zero is. */
  #startClock(nowMs: number): void {
    this.#clockSinceMs = nowMs;
    this.#report = undefined;
    this.#offsets.clear();
    this.#recentOffsets.clear();
    this.#marks.length = 0;
  }

  #driftOver(rtpMs: number): number {
    return (rtpMs * (this.#driftPpm ?? 0)) / 1e6;
  }

  #senderMs(ticks: number): number {
    return ticks / TICKS_PER_MS + this.#wallMs;
  }

  #captureMs(ticks: number): number {
    return this.#senderMs(ticks) + (this.#offsets.value ?? 0) - (this.#roundTrips.value ?? 0) / 2;
  }

  #stepMs(): number {
    return (this.#recentOffsets.value ?? 0) - (this.#offsets.value ?? 0);
  }

  #followStep(nowMs: number): void {
    const stepMs = this.#stepMs();
    if (stepMs <= STEP_MS) return;
    this.#offsets.clear();
    this.#offsets.add(this.#recentOffsets.value ?? 0, nowMs);
    this.#marks.length = 0;
  }

  #markDrift(nowMs: number): void {
    if (nowMs - (this.#marks.at(-1)?.atMs ?? this.#clockSinceMs) < DRIFT_EVERY_MS) return;
    const mark = { atMs: nowMs, offsetMs: (this.#offsets.value ?? 0) + this.#wallMs };
    this.#marks.push(mark);
    if (this.#marks.length > MAX_DRIFT_MARKS) this.#marks.shift();
    const first = this.#marks[0] ?? mark;
    const spanMs = nowMs - first.atMs;
    if (spanMs >= MIN_DRIFT_SPAN_MS) this.#driftPpm = (-(mark.offsetMs - first.offsetMs) / spanMs) * 1e6;
  }
}
