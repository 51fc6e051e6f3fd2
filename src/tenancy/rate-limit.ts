import type { Clock } from '../core/clock.ts';
import { EarshotError } from '../core/errors.ts';

export interface RateLimitOptions {
  readonly clock: Clock;
  /** What may be taken per minute in the long run, and at once after a quiet minute. */
  readonly perMinute: number;
  /** Callers remembered; beyond, who was idle longest is forgotten. Default 10,000. */
  readonly maxCallers?: number;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** A token bucket for each caller. */
export class RateLimit {
  readonly #options: Required<RateLimitOptions>;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimitOptions) {
    this.#options = { maxCallers: 10_000, ...options };
  }

  get callers(): number {
    return this.#buckets.size;
  }

  /** Takes one, or throws `RATE_LIMITED` with the seconds until there is one. */
  take(caller: string, message: string): void {
    const bucket = this.#bucketOf(caller);
    this.#demandOne(bucket, message);
    bucket.left -= 1;
  }

  /** As `take`, and takes nothing. */
  check(caller: string, message: string): void {
    if (this.#buckets.has(caller)) this.#demandOne(this.#bucketOf(caller), message);
  }

  /** Takes one if there is one. */
  spend(caller: string): void {
    const bucket = this.#bucketOf(caller);
    bucket.left = Math.max(0, bucket.left - 1);
  }

  #demandOne(bucket: Bucket, message: string): void {
    if (bucket.left >= 1) return;
    const retryAfterSeconds = Math.ceil(((1 - bucket.left) * 60) / this.#options.perMinute);
    throw new EarshotError('RATE_LIMITED', message, { retryAfterSeconds });
  }

  #bucketOf(caller: string): Bucket {
    const { clock, perMinute, maxCallers } = this.#options;
    const nowMs = clock.nowMs();
    const { left, atMs } = this.#buckets.get(caller) ?? { left: perMinute, atMs: nowMs };
    const bucket = { left: Math.min(perMinute, left + ((nowMs - atMs) * perMinute) / 60_000), atMs: nowMs };
    // Taken out and put in again: the map is in the order of last use.
    this.#buckets.delete(caller);
    this.#buckets.set(caller, bucket);
    const [idlest] = this.#buckets.keys();
    if (this.#buckets.size > maxCallers && idlest !== undefined) this.#buckets.delete(idlest);
    return bucket;
  }
}
