import type { LaneAudio } from '../../../src/core/audio.ts';

/** A mark is louder than this, and what lies between marks is not. */
const MARK_LEVEL = 3000;
/** Silence before a mark: 200 ms. */
const MIN_SILENCE_SAMPLES = 3200;

/** Notes when a lane's audio came, and where in it marks begin. One lane. */
export class LaneRecorder {
  readonly #items: [startSample: number, samples: number, atMs: number][] = [];
  readonly #onsets: number[] = [];
  #lastLoud = -Infinity;

  add(item: LaneAudio): void {
    const samples = item.kind === 'pcm' ? item.samples.length : item.lengthSamples;
    this.#items.push([item.startSample, samples, Number(process.hrtime.bigint()) / 1e6]);
    if (item.kind !== 'pcm') return;
    item.samples.forEach((sample, i) => {
      if (Math.abs(sample) < MARK_LEVEL) return;
      const at = item.startSample + i;
      if (at - this.#lastLoud > MIN_SILENCE_SAMPLES) this.#onsets.push(at);
      this.#lastLoud = at;
    });
  }

  take(): { readonly items: readonly (readonly [startSample: number, samples: number, atMs: number])[]; readonly onsets: readonly number[] } {
    return { items: this.#items, onsets: this.#onsets };
  }
}
