import type { PcmFrame } from '../../core/audio.ts';

/** What was written to a lane lately, by position. Where the lane jumped ahead there is silence. */
export class LaneAudio {
  readonly #frames: PcmFrame[] = [];
  #endSample = 0;

  /** First sample after what was written. */
  get endSample(): number {
    return this.#endSample;
  }

  write(frame: PcmFrame): void {
    this.#frames.push(frame);
    this.#endSample = frame.startSample + frame.samples.length;
  }

  /** A copy of the samples from `startSample` up to `endSample`. What is no longer kept is silence too. */
  slice(startSample: number, endSample: number): Int16Array {
    const samples = new Int16Array(Math.max(0, endSample - startSample));
    for (const frame of this.#frames) {
      const from = Math.max(startSample, frame.startSample);
      const to = Math.min(endSample, frame.startSample + frame.samples.length);
      if (from < to) samples.set(frame.samples.subarray(from - frame.startSample, to - frame.startSample), from - startSample);
    }
    return samples;
  }

  /** Forgets whole frames before `sample`. */
  trim(sample: number): void {
    let count = 0;
    for (const { startSample, samples } of this.#frames) {
      if (startSample + samples.length > sample) break;
      count += 1;
    }
    if (count > 0) this.#frames.splice(0, count);
  }
}
