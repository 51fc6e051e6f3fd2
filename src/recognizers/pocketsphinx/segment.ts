import type { CepstraTrack } from './cepstra-track.ts';

/**
 * One segment of a lane while it grows: where in the track it lies.
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
  #held: { readonly frame: number; readonly sample: number } | undefined;
  #endFrame: number | undefined;

  constructor(id: number, startSample: number, track: CepstraTrack) {
    this.id = id;
    this.startSample = startSample;
    this.startFrame = track.frameAt(startSample);
    this.skippedSamples = track.skippedSamples;
  }

  get isEnded(): boolean {
    return this.#endFrame !== undefined;
  }

  /** Lane sample at which the pause was told that the segment is in now, or that it ended in. */
  get heldSample(): number | undefined {
    return this.#held?.sample;
  }

  /** First frame that is not to be searched, as far as is known; undefined: all that there is. */
  get limitFrame(): number | undefined {
    return this.#endFrame ?? this.#held?.frame;
  }

  /** The lane pauses at what was written last. */
  pause(atSample: number, track: CepstraTrack): void {
    this.#held = { frame: track.endFrame, sample: atSample };
  }

  resume(): void {
    this.#held = undefined;
  }

  /** The segment ends; answers true if that is before what the search may have seen. */
  end(endSample: number, writtenSample: number, track: CepstraTrack): boolean {
    const isDrawnBack = endSample < (this.#held?.sample ?? writtenSample);
    if (isDrawnBack) this.#held = undefined;
    this.#endFrame = isDrawnBack ? Math.max(this.startFrame, track.frameAt(endSample)) : (this.#held?.frame ?? track.endFrame);
    return isDrawnBack;
  }
}
