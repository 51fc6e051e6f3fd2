import { SAMPLE_RATE_HZ } from '../../core/audio.ts';

const SAMPLES_PER_MS = SAMPLE_RATE_HZ / 1000;

/** Audio that is so much longer than the time in which it came was not said meanwhile: it is a file, or what a dead engine had heard. */
const MAX_AHEAD_MS = 2000;

/** How far the search of a lane is behind who speaks there. */
export class LaneClock {
  readonly #nowMs: () => number;
  /** When the lane's sample 0 was said, if it is spoken without a pause. */
  #startedMs: number | undefined;
  #endSample = 0;
  /** When the newest sample was said, at the earliest. */
  #saidMs = 0;
  #isSpoken = true;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** These have come in now. */
  heard(startSample: number, samples: number): void {
    const nowMs = this.#nowMs();
    this.#startedMs ??= nowMs - startSample / SAMPLES_PER_MS;
    this.#endSample = startSample + samples;
    this.#saidMs = Math.max(nowMs, this.#startedMs + this.#endSample / SAMPLES_PER_MS);
    if (this.#saidMs - nowMs > MAX_AHEAD_MS) this.#isSpoken = false;
  }

  /** Time since this sample was said; -Infinity in a lane that nobody speaks in, from when that is known. */
  lateMs(sample: number): number {
    if (!this.#isSpoken) return -Infinity;
    return this.#nowMs() - this.#saidMs + (this.#endSample - sample) / SAMPLES_PER_MS;
  }
}
