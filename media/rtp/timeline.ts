import { SAMPLES_PER_MS } from '../../src/core/audio.ts';
import { OPUS_CLOCK_HZ, timestampDifference } from './packet.ts';

const TICKS_PER_MS = OPUS_CLOCK_HZ / 1000;
const TICKS_PER_SAMPLE = TICKS_PER_MS / SAMPLES_PER_MS;

/** RTP time may step back by the longest packet (a change of packet size, say); more is a new clock. */
const MAX_BACKWARD_TICKS = 120 * TICKS_PER_MS;
/** How far lane time may run ahead of arrival time: network bursts, and a sender's clock that is 0.1 % fast. */
const MAX_AHEAD_MS = 2000;
const MAX_DRIFT = 0.001;

/** Where a packet goes. */
export interface Placement {
  /** Lane samples between what came before and this packet; 0 when it follows at once. */
  readonly gapSamples: number;
  /** Samples by which the lane is ahead of where the packet belongs: announced silence that turned out to be audio. */
  readonly aheadSamples: number;
  /** How much later it comes out than RTP time would have it, were that not given up for being so far behind: its sender stopped its clock, or it was kept back. */
  readonly behindSamples: number;
  /** The packet is more audio than time has passed for: it is left out. */
  readonly surplus: boolean;
  /** Its RTP time has nothing to do with the one before. */
  readonly isNewClock: boolean;
}

/**
 * Turns RTP time (48 kHz, 32 bits) into lane positions (16 kHz, from 0). Pure: arrival times come in.
 *
 * Two numbers are compared for each packet: where the lane is (`positionSamples`, moved by `advance` alone) and where
 * RTP time says that the packet belongs:
 *
 *     lane     ....audio....|                       lane     ....audio....|##gap##|     (announced)
 *     RTP time              |-- gap --|packet       RTP time              |packet
 *
 * - RTP time is ahead: the difference is a gap (DTX, loss, mute).
 * - The lane is ahead, because silence was announced while a packet was only late: positions never go back and audio
 *   is never dropped for it. The packet follows where the lane is, and the surplus is taken out of the next gaps
 *   (and, by the caller, out of pauses: `aheadSamples`).
 * - RTP time jumped (the stream restarted, went back by more than 120 ms, or is ahead of all time that has passed, or the
 *   lane is ahead by more than {@link MAX_AHEAD_MS}): the packet is placed by its arrival time instead, and RTP time
 *   counts from there.
 *
 * Whatever a sender claims, lane time is never more than 2 s and 0.1 % ahead of the time since the first packet; audio beyond
 * that is surplus. Positions are exact integers of ticks for longer than any session (2^53 ticks are 5,900 years).
 */
export class Timeline {
  /** Lane position, in ticks of the RTP clock; always a whole number of samples. */
  #laneTicks = 0;
  /** RTP time that follows the last packet: its last 32 bits, and the lane time that it means. */
  #nextTimestamp = 0;
  #nextTicks = 0;
  #firstArrivalMs: number | undefined;
  #lastArrivalMs = 0;

  get positionSamples(): number {
    return this.#laneTicks / TICKS_PER_SAMPLE;
  }

  /** Moves the lane by what was put out, be it audio or gap. */
  advance(samples: number): void {
    this.#laneTicks += samples * TICKS_PER_SAMPLE;
  }

  /** Where RTP time would place a packet, in lane samples, if its clock goes on. */
  expectedSample(timestamp: number): number {
    if (this.#firstArrivalMs === undefined) return 0;
    return (this.#nextTicks + timestampDifference(timestamp, this.#nextTimestamp)) / TICKS_PER_SAMPLE;
  }

  /** From now on RTP time means a place so much later in the lane, or earlier. */
  shift(samples: number): void {
    this.#nextTicks += samples * TICKS_PER_SAMPLE;
  }

  /** Silence that was put out is none: what comes next belongs before its end. */
  takeBack(samples: number): void {
    this.advance(-samples);
    this.#nextTicks = Math.min(this.#nextTicks, this.#laneTicks);
  }

  /** The next packet in sequence order. Call `advance` for the gap and the audio that were made of it, before the next. */
  place(timestamp: number, durationTicks: number, arrivalMs: number, restart: boolean): Placement {
    if (this.#firstArrivalMs === undefined) {
      this.#firstArrivalMs = arrivalMs;
      this.#lastArrivalMs = arrivalMs;
      this.#nextTimestamp = timestamp;
    }
    const stepTicks = timestampDifference(timestamp, this.#nextTimestamp);
    const limitTicks = this.#limitTicks(arrivalMs);
    let startTicks = this.#nextTicks + stepTicks;
    const clockTicks = restart || stepTicks < -MAX_BACKWARD_TICKS ? Infinity : startTicks;
    const isWild =
      restart ||
      stepTicks < -MAX_BACKWARD_TICKS ||
      (stepTicks > 0 && startTicks + durationTicks > limitTicks) ||
      startTicks < this.#laneTicks - MAX_AHEAD_MS * TICKS_PER_MS;
    if (isWild) startTicks = this.#placeByArrival(arrivalMs, durationTicks, limitTicks);
    const surplus = this.#laneTicks + durationTicks > limitTicks;
    if (surplus) startTicks = this.#laneTicks - durationTicks;
    const behindSamples = wholeSamples(Math.max(startTicks, this.#laneTicks) - clockTicks);
    this.#nextTimestamp = (timestamp + durationTicks) >>> 0;
    this.#nextTicks = startTicks + durationTicks;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrivalMs);
    const offsetTicks = surplus ? 0 : startTicks - this.#laneTicks;
    return { gapSamples: wholeSamples(offsetTicks), aheadSamples: wholeSamples(-offsetTicks), behindSamples, surplus, isNewClock: isWild };
  }

  /** Lane samples that have passed without a packet until `nowMs`, less what is announced already. */
  silentSamples(nowMs: number): number {
    if (this.#firstArrivalMs === undefined) return 0;
    const byArrivalTicks = this.#nextTicks + (nowMs - this.#lastArrivalMs) * TICKS_PER_MS;
    return wholeSamples(Math.min(byArrivalTicks, this.#limitTicks(nowMs)) - this.#laneTicks);
  }

  /** A packet that arrives at T holds the sound up to T, so the time between two ends is the time between arrivals. */
  #placeByArrival(arrivalMs: number, durationTicks: number, limitTicks: number): number {
    const elapsedTicks = Math.max(0, Math.round((arrivalMs - this.#lastArrivalMs) * TICKS_PER_MS));
    const byArrival = this.#nextTicks + Math.max(0, elapsedTicks - durationTicks);
    return Math.min(byArrival, limitTicks - durationTicks);
  }

  #limitTicks(nowMs: number): number {
    const sinceFirstMs = nowMs - (this.#firstArrivalMs ?? nowMs);
    return Math.floor((sinceFirstMs * (1 + MAX_DRIFT) + MAX_AHEAD_MS) * TICKS_PER_MS);
  }
}

const wholeSamples = (ticks: number): number => Math.max(0, Math.floor(ticks / TICKS_PER_SAMPLE));
