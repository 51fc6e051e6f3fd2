import type { CepstraTrack } from './cepstra-track.ts';
import type { CepstralMean } from './cepstral-mean.ts';
import type { Segment } from './segment.ts';

/** A lane of which fewer frames are known has no usable mean: the search waits for it, or for the segment's end. */
const MIN_MEAN_FRAMES = 100;
/** Until the lane has so many frames, a segment's own better the mean so much that it is searched again with them when it is complete. */
const YOUNG_LANE_FRAMES = 600;

/** The means to search a segment with: those of the frames that the search sees, the lane's before and its own. */
export class MeanEstimate {
  readonly #mean: CepstralMean;
  readonly #segment: Pick<Segment, 'startFrame' | 'limitFrame'>;
  readonly #track: Pick<CepstraTrack, 'slice' | 'endFrame'>;
  readonly #fallback: Float32Array;
  /** Little of the lane was known when the segment began. */
  readonly isYoung: boolean;
  #takenFrame: number;
  #following: Float32Array | undefined;
  #whole: { readonly frame: number; readonly mean: Float32Array } | undefined;

  /** `fallback`: the mean where there is no sound at all. */
  constructor(mean: CepstralMean, segment: Pick<Segment, 'startFrame' | 'limitFrame'>, track: Pick<CepstraTrack, 'slice' | 'endFrame'>, fallback: Float32Array) {
    this.#mean = mean;
    this.#segment = segment;
    this.#track = track;
    this.#fallback = fallback;
    this.#takenFrame = segment.startFrame;
    this.isYoung = mean.frames < YOUNG_LANE_FRAMES;
    if (mean.frames >= MIN_MEAN_FRAMES) this.#following = mean.value(fallback);
  }

  /** The mean to follow an open segment with; undefined while too little is known. It stays the same object. */
  get following(): Float32Array | undefined {
    if (this.#mean.frames >= MIN_MEAN_FRAMES) this.#following ??= this.#mean.value(this.#fallback);
    return this.#following;
  }

  /** The mean that decides the words of the segment, if what has been taken is all of it: {@link following}, or in a young lane that of all its frames. */
  get deciding(): Float32Array {
    if (!this.isYoung) return this.following ?? this.#fallback;
    if (this.#whole?.frame !== this.#takenFrame) this.#whole = { frame: this.#takenFrame, mean: this.#mean.value(this.#fallback) };
    return this.#whole.mean;
  }

  /** Takes the frames that are there; answers how many. */
  take(): number {
    const from = this.#takenFrame;
    const limitFrame = this.#segment.limitFrame ?? this.#track.endFrame;
    if (limitFrame <= from) return 0;
    this.#mean.add(this.#track.slice(from, limitFrame));
    this.#takenFrame = limitFrame;
    return limitFrame - from;
  }
}
