import { msToSamples, SAMPLES_PER_MS } from '../../src/core/audio.ts';

/** So much more sound than time has passed is no jitter. */
const TELLING_SAMPLES = msToSamples(100);
/** What was kept back on the way comes at once: later than this nothing is looked for, and clocks may differ. */
const WINDOW_MS = 1000;

/**
 * Tells silence from sound that was kept back on its way (by a sender whose network was gone, or until it was asked for again): nobody can speak faster than time
 * passes, so where more sound comes than time has passed since the first of it, it belongs into the silence before. Pure.
 *
 *   sent       |sound|sound|sound|sound|sound|
 *   arrived    |sound|                      |sound|sound|sound|sound|
 *   lane       |sound| announced silence    |sound|sound|...           before it is taken back
 */
export class LateSound {
  #silenceSamples = 0;
  /** When the first sound behind the silence came. */
  #sinceMs: number | undefined;
  #soundSamples = 0;
  /** Some of it came: then there is no more doubt. */
  #isTold = false;

  /** Announced silence that may yet turn out to be sound. */
  get doubtfulSamples(): number {
    return this.#silenceSamples;
  }

  /** Silence was announced. */
  announced(samples: number): void {
    if (this.#sinceMs !== undefined) this.#silenceSamples = this.#soundSamples = 0;
    this.#sinceMs = undefined;
    this.#isTold = false;
    this.#silenceSamples += samples;
  }

  /** Sound came, and it comes out `behindSamples` later than RTP time would have it. Answers how much of the announced silence was none after all, beyond what was answered before. */
  came(samples: number, behindSamples: number, nowMs: number): number {
    if (this.#silenceSamples === 0) return 0;
    if (this.#sinceMs === undefined) this.#silenceSamples = Math.min(this.#silenceSamples, behindSamples);
    this.#sinceMs ??= nowMs;
    this.#soundSamples += samples;
    const passedMs = Math.max(0, nowMs - this.#sinceMs);
    if (passedMs > WINDOW_MS) this.#silenceSamples = 0;
    const tooMuch = Math.floor(this.#soundSamples - passedMs * SAMPLES_PER_MS);
    if (tooMuch < (this.#isTold ? 1 : TELLING_SAMPLES)) return 0;
    this.#isTold = true;
    const taken = Math.min(this.#silenceSamples, tooMuch);
    this.#silenceSamples -= taken;
    this.#soundSamples -= taken;
    return taken;
  }
}
