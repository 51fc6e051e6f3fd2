import { OPUS_CLOCK_HZ, timestampDifference } from './packet.ts';
import type { RtpPacket } from './packet.ts';
import { WindowedMinimum } from './windowed-minimum.ts';

export interface TargetDelayOptions {
  /** In ms, default 30. */
  readonly minMs?: number;
  /** In ms, default 300. */
  readonly maxMs?: number;
}

/** Before anything was measured. */
const INITIAL_MS = 60;
const BUCKET_MS = 5;
const BUCKETS = 80;
/** A packet weighs so much less with each that comes after it: half after 350 packets, 7 s of speech. */
const FORGET = 0.998;
/** So many packets come no later than the target says. */
const QUANTILE = 0.98;
/** Packets before the measurement is believed. */
const MIN_PACKETS = 25;
const LARGEST_WEIGHT = 1e9;

/**
 * How long a missing packet is worth waiting for: as long as all but 2 % of the packets of the last seconds were delayed beyond the
 * fastest, bounded. Pure.
 *
 * The delay of each packet is its arrival less its RTP time; what the fastest had is the network's own. A packet that
 * comes later than the one behind it has been delayed more by at least the time between them, so what covers the delay
 * covers the wait. It grows with the first bad second, and falls when the network has been good for some.
 */
export class TargetDelay {
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #fastest = new WindowedMinimum();
  readonly #weights = new Float64Array(BUCKETS);
  #total = 0;
  #weight = 1;
  #packets = 0;
  #ticks = 0;
  #lastTimestamp: number | undefined;
  #targetMs: number | undefined;

  constructor(options: TargetDelayOptions = {}) {
    this.#minMs = options.minMs ?? 30;
    this.#maxMs = Math.max(this.#minMs, options.maxMs ?? 300);
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** In ms. */
  get targetMs(): number {
    return (this.#targetMs ??= this.#measure());
  }

  /** Another clock: what was measured of the delay holds, its zero does not. */
  restart(): void {
    this.#lastTimestamp = undefined;
  }

  /** A packet as it came, late ones too; not those that were asked for again. */
  observe({ timestamp }: RtpPacket, arrivalMs: number): void {
    const stepTicks = timestampDifference(timestamp, this.#lastTimestamp ?? timestamp);
    this.#ticks += stepTicks;
    const delayMs = arrivalMs - this.#ticks / (OPUS_CLOCK_HZ / 1000);
    if (this.#lastTimestamp === undefined) this.#fastest.shift(delayMs - (this.#fastest.value ?? delayMs));
    this.#lastTimestamp = timestamp;
    this.#fastest.add(delayMs, arrivalMs);
    const beyondMs = delayMs - (this.#fastest.value ?? delayMs);
    this.#add(Math.min(BUCKETS - 1, Math.floor(beyondMs / BUCKET_MS)));
  }

  #add(bucket: number): void {
    this.#weights[bucket] = (this.#weights[bucket] ?? 0) + this.#weight;
    this.#total += this.#weight;
    this.#weight /= FORGET;
    this.#packets += 1;
    this.#targetMs = undefined;
    if (this.#weight < LARGEST_WEIGHT) return;
    for (let i = 0; i < BUCKETS; i += 1) this.#weights[i] = (this.#weights[i] ?? 0) / LARGEST_WEIGHT;
    this.#total /= LARGEST_WEIGHT;
    this.#weight /= LARGEST_WEIGHT;
  }

  #measure(): number {
    let measuredMs = INITIAL_MS;
    if (this.#packets >= MIN_PACKETS) {
      let [bucket, sum] = [0, this.#weights[0] ?? 0];
      while (sum < this.#total * QUANTILE && bucket < BUCKETS - 1) sum += this.#weights[(bucket += 1)] ?? 0;
      measuredMs = bucket === 0 ? 0 : (bucket + 1) * BUCKET_MS;
    }
    return Math.max(this.#minMs, Math.min(this.#maxMs, measuredMs));
  }
}
