import type { CepstraTrack } from './cepstra-track.ts';

const FIRST_CAPACITY_SAMPLES = 32_000;

/**
 * One segment of a lane while it grows: where in the track it lies, and its audio, which the estimate of the mean wants.
 *
 *   startFrame ... heldFrame | silence ... endFrame      a segment that ends in a pause is searched up to `heldFrame` only
 */
export class Segment {
  readonly id: number;
  readonly startSample: number;
  readonly startFrame: number;
  /** Lane sample minus sample fed to the front end. */
  readonly skippedSamples: number;
  /** Samples written while the segment was open that were not told as consumed. */
  untoldSamples = 0;
  #samples = new Int16Array(FIRST_CAPACITY_SAMPLES);
  #count = 0;
  #held: { readonly frame: number; readonly count: number; readonly sample: number } | undefined;
  #end: { readonly frame: number; readonly count: number } | undefined;

  constructor(id: number, startSample: number, track: CepstraTrack) {
    this.id = id;
    this.startSample = startSample;
    this.startFrame = track.frameAt(startSample);
    this.skippedSamples = track.skippedSamples;
  }

  get isEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Where the pause begins that the segment is in now, or that it ended in. */
  get heldFrame(): number | undefined {
    return this.#held?.frame;
  }

  /** Lane sample of the same. */
  get heldSample(): number | undefined {
    return this.#held?.sample;
  }

  /** First frame that is not to be searched, as far as is known; undefined: all that there is. */
  get limitFrame(): number | undefined {
    return this.#end?.frame ?? this.#held?.frame;
  }

  /** Samples of the segment's audio that count, from its start. */
  get countedSamples(): number {
    return this.#end?.count ?? this.#held?.count ?? this.#count;
  }

  append(samples: Int16Array): void {
    if (this.#count + samples.length > this.#samples.length) {
      const larger = new Int16Array(2 * (this.#count + samples.length));
      larger.set(this.#samples.subarray(0, this.#count));
      this.#samples = larger;
    }
    this.#samples.set(samples, this.#count);
    this.#count += samples.length;
  }

  /** A copy of the segment's samples `from` to `to` (exclusive), counted from its start. */
  slice(from: number, to: number): Int16Array {
    return this.#samples.slice(from, Math.min(to, this.#count));
  }

  /** The lane pauses at what was written last. */
  pause(atSample: number, track: CepstraTrack): void {
    this.#held = { frame: track.endFrame, count: this.#count, sample: atSample };
  }

  resume(): void {
    this.#held = undefined;
  }

  /** The segment ends; answers true if that is before what the search may have seen. */
  end(endSample: number, writtenSample: number, track: CepstraTrack): boolean {
    const isDrawnBack = endSample < (this.#held?.sample ?? writtenSample);
    if (isDrawnBack) {
      const count = Math.max(0, Math.min(this.#count, endSample - this.startSample));
      this.#held = undefined;
      this.#end = { frame: track.frameAt(endSample), count };
    } else {
      this.#end = this.#held ?? { frame: track.endFrame, count: this.#count };
    }
    return isDrawnBack;
  }
}
