import { BLOCK_FRAMES, SAMPLES_PER_FRAME } from './cepstra-track.ts';
import type { CepstralMean } from './cepstral-mean.ts';
import type { FrontEnd } from './library.ts';

const BLOCK_SAMPLES = BLOCK_FRAMES * SAMPLES_PER_FRAME;
/** A lane of which fewer frames of speech are known has no usable mean: the search waits for it, or for the segment's end. */
const MIN_MEAN_FRAMES = 100;
/** Until the lane has so much speech, a segment's own speech betters the mean so much that it is searched again with it when it is complete. */
const YOUNG_LANE_FRAMES = 900;

/** Where a segment's audio gathers. */
interface SegmentAudio {
  readonly countedSamples: number;
  slice(from: number, to: number): Int16Array;
}

/**
 * The means to search a segment with. Feeds the segment's samples to the lane's mean in whole blocks, so that the moment of looking does not
 * matter.
 */
export class MeanEstimate {
  readonly #mean: CepstralMean;
  readonly #segment: SegmentAudio;
  readonly #frontEnd: Pick<FrontEnd, 'process'>;
  readonly #fallback: Float32Array;
  /** Little of the lane was known when the segment began. */
  readonly isYoung: boolean;
  #takenSamples = 0;
  #following: Float32Array | undefined;
  #whole: { readonly samples: number; readonly mean: Float32Array } | undefined;

  /** `fallback`: the mean where there is no speech at all. */
  constructor(mean: CepstralMean, segment: SegmentAudio, frontEnd: Pick<FrontEnd, 'process'>, fallback: Float32Array) {
    this.#mean = mean;
    this.#segment = segment;
    this.#frontEnd = frontEnd;
    this.#fallback = fallback;
    this.isYoung = mean.frames < YOUNG_LANE_FRAMES;
    if (mean.frames >= MIN_MEAN_FRAMES) this.#following = mean.value(fallback);
  }

  /** The mean to follow an open segment with; undefined while too little is known. It stays the same object. */
  get following(): Float32Array | undefined {
    if (this.#mean.frames >= MIN_MEAN_FRAMES) this.#following ??= this.#mean.value(this.#fallback);
    return this.#following;
  }

  /** The mean that decides the words of the segment, if what has been taken is all of it: {@link following}, or in a young lane that of all its speech. */
  get deciding(): Float32Array {
    if (!this.isYoung) return this.following ?? this.#fallback;
    if (this.#whole?.samples !== this.#takenSamples) this.#whole = { samples: this.#takenSamples, mean: this.#mean.value(this.#fallback) };
    return this.#whole.mean;
  }

  /** Takes the whole blocks that are there; answers how many samples. */
  takeBlocks(): number {
    const before = this.#takenSamples;
    while (this.#segment.countedSamples - this.#takenSamples >= BLOCK_SAMPLES) this.#take(BLOCK_SAMPLES);
    return this.#takenSamples - before;
  }

  /** Takes what is left of a complete segment, for those after it. */
  takeRest(): void {
    this.takeBlocks();
    this.#take(this.#segment.countedSamples - this.#takenSamples);
  }

  #take(count: number): void {
    if (count === 0) return;
    this.#mean.add(this.#frontEnd.process(this.#segment.slice(this.#takenSamples, this.#takenSamples + count)));
    this.#takenSamples += count;
  }
}
