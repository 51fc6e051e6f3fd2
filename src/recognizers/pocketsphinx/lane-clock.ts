import { SAMPLE_RATE_HZ } from '../../core/audio.ts';

const SAMPLES_PER_MS = SAMPLE_RATE_HZ / 1000;

/**
 * How far the search of a lane is behind who speaks there. A lane that is sent faster than speech, as a file, is taken for one that is spoken
 * from its first sample on; so it is late only where the search is slower than speech.
 */
export class LaneClock {
  readonly #nowMs: () => number;
  /** When the lane's sample 0 was said, if it is spoken without a pause. */
  #startedMs: number | undefined;
  #endSample = 0;
  /** When the newest sample was said, at the earliest. */
  #saidMs = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** These have come in now. */
  heard(startSample: number, samples: number): void {
    const nowMs = this.#nowMs();
    this.#startedMs ??= nowMs - startSample / SAMPLES_PER_MS;
    this.#endSample = startSample + samples;
    this.#saidMs = Math.max(nowMs, this.#startedMs + this.#endSample / SAMPLES_PER_MS);
  }

  /** Time since this sample was said; less than 0: it is to be said yet. */
  lateMs(sample: number): number {
    return this.#nowMs() - this.#saidMs + (this.#endSample - sample) / SAMPLES_PER_MS;
  }
}
