import { OPUS_CLOCK_HZ, sequenceDifference, timestampDifference } from './packet.ts';
import type { RtpPacket } from './packet.ts';
import type { ReferenceTimeEcho, SenderReport } from './rtcp-reader.ts';
import { toNtpMiddle, writeReceiverReport } from './rtcp-writer.ts';

/** A greater difference between two packets is a sender whose clock jumped, not the network. */
const MAX_JITTER_MS = 5000;
/** A longer one is an echo of something else. */
const MAX_ROUND_TRIP_MS = 10_000;
/** A jump of the sequence number beyond this is a new stream. */
const MAX_DROPOUT = 3000;
const REPORT_EVERY_MS = 1000;
/** Weight of a new round trip in the smoothed one. */
const ROUND_TRIP_WEIGHT = 1 / 4;

/**
 * What the network did to one stream, as reports tell it to the sender (RFC 3550, appendices A.3 and A.8): every packet that
 * came counts once, whatever became of it. Pure: times come in.
 */
export class Reception {
  #ssrc: number | undefined;
  #base = 0;
  #highest = 0;
  #received = 0;
  #reportedExpected = 0;
  #reportedReceived = 0;
  #jitterMs = 0;
  #lastArrivalMs = 0;
  #lastTimestamp = 0;
  #report: { readonly ntpMiddle: number; readonly arrivalMs: number } | undefined;
  #reportedMs: number | undefined;
  #roundTripMs: number | undefined;

  /** Interarrival jitter, in ms. */
  get jitterMs(): number {
    return this.#jitterMs;
  }

  /** Smoothed; undefined until the sender has echoed a report, or its engine has told. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  get ssrc(): number | undefined {
    return this.#ssrc;
  }

  /** A packet of the stream itself, in whatever order it came. */
  count(packet: RtpPacket, arrivalMs: number): void {
    const ahead = sequenceDifference(packet.sequenceNumber, this.#highest & 0xffff);
    if (packet.ssrc !== this.#ssrc || Math.abs(ahead) > MAX_DROPOUT) this.#start(packet, arrivalMs);
    else if (ahead > 0) {
      this.#highest += ahead;
      this.#measureJitter(packet, arrivalMs);
    }
    this.#received += 1;
  }

  onSenderReport(report: SenderReport, arrivalMs: number): void {
    if (report.ssrc === this.#ssrc) this.#report = { ntpMiddle: report.ntpMiddle, arrivalMs };
  }

  onEcho({ ntpMiddle, delay }: ReferenceTimeEcho, arrivalMs: number): void {
    const elapsed = (toNtpMiddle(arrivalMs) - ntpMiddle - delay) >>> 0;
    // The echoes' clock ticks every 15 µs: a trip through this machine alone may come out below zero.
    if (elapsed > 0xffff_0000) this.setRoundTrip(0);
    else this.setRoundTrip((elapsed / 65_536) * 1000);
  }

  /** Also for engines that measure it themselves. */
  setRoundTrip(roundTripMs: number): void {
    if (!(roundTripMs >= 0 && roundTripMs <= MAX_ROUND_TRIP_MS)) return;
    const before = this.#roundTripMs ?? roundTripMs;
    this.#roundTripMs = before + (roundTripMs - before) * ROUND_TRIP_WEIGHT;
  }

  /** The report that is due by now, if any: at most one a second, and only while packets come. */
  takeReport(nowMs: number): Uint8Array | undefined {
    if (this.#ssrc === undefined) return undefined;
    this.#reportedMs ??= nowMs - REPORT_EVERY_MS / 2;
    if (nowMs - this.#reportedMs < REPORT_EVERY_MS) return undefined;
    this.#reportedMs = nowMs;
    const expected = this.#highest - this.#base + 1;
    const expectedNow = expected - this.#reportedExpected;
    const lostNow = expectedNow - (this.#received - this.#reportedReceived);
    this.#reportedExpected = expected;
    this.#reportedReceived = this.#received;
    return writeReceiverReport(
      {
        ssrc: this.#ssrc,
        fractionLost: expectedNow > 0 && lostNow > 0 ? lostNow / expectedNow : 0,
        cumulativeLost: expected - this.#received,
        highestSequenceNumber: this.#highest % 2 ** 32,
        jitterTicks: Math.round((this.#jitterMs * OPUS_CLOCK_HZ) / 1000),
        lastReport: this.#report?.ntpMiddle ?? 0,
        delaySinceLastReport: this.#report ? toNtpMiddle(nowMs - this.#report.arrivalMs) : 0,
      },
      nowMs,
    );
  }

  #start({ ssrc, sequenceNumber, timestamp }: RtpPacket, arrivalMs: number): void {
    if (ssrc !== this.#ssrc) this.#report = undefined;
    this.#ssrc = ssrc;
    this.#base = this.#highest = sequenceNumber;
    this.#received = this.#reportedReceived = this.#reportedExpected = 0;
    this.#lastArrivalMs = arrivalMs;
    this.#lastTimestamp = timestamp;
  }

  #measureJitter({ timestamp }: RtpPacket, arrivalMs: number): void {
    const mediaMs = timestampDifference(timestamp, this.#lastTimestamp) / (OPUS_CLOCK_HZ / 1000);
    const differenceMs = Math.abs(arrivalMs - this.#lastArrivalMs - mediaMs);
    if (differenceMs < MAX_JITTER_MS) this.#jitterMs += (differenceMs - this.#jitterMs) / 16;
    this.#lastArrivalMs = arrivalMs;
    this.#lastTimestamp = timestamp;
  }
}
