import type { PcmFrame } from '../../core/audio.ts';

/** The last stretch of a lane, kept so that a segment can begin in the past. */
export class RecentAudio {
  readonly #frames: PcmFrame[] = [];

  push(frame: PcmFrame): void {
    this.#frames.push(frame);
  }

  /** Forgets frames that end at or before `sample`. */
  forgetBefore(sample: number): void {
    let count = 0;
    for (const frame of this.#frames) {
      if (frame.startSample + frame.samples.length > sample) break;
      count += 1;
    }
    this.#frames.splice(0, count);
  }

  /** Samples from `startSample` up to `endSample`; silence where the lane jumped ahead. */
  slice(startSample: number, endSample: number): Int16Array {
    const samples = new Int16Array(Math.max(0, endSample - startSample));
    for (const frame of this.#frames) {
      const from = Math.max(startSample, frame.startSample);
      const to = Math.min(endSample, frame.startSample + frame.samples.length);
      if (from < to) samples.set(frame.samples.subarray(from - frame.startSample, to - frame.startSample), from - startSample);
    }
    return samples;
  }
}
