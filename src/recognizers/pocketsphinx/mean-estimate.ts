import { BLOCK_FRAMES, SAMPLES_PER_FRAME } from './cepstra-track.ts';
import type { CepstralMean } from './cepstral-mean.ts';
import type { FrontEnd } from './library.ts';

const BLOCK_SAMPLES = BLOCK_FRAMES * SAMPLES_PER_FRAME;
/** A lane of which fewer frames of speech are known has no usable mean: the search waits for it, or for the segment's end. */
const MIN_MEAN_FRAMES = 100;
/** Where, as more of a lane's speech becomes known, its segment is searched anew with the better mean. */
const STEPS_FRAMES = [MIN_MEAN_FRAMES, 300, 900] as const;

/** Where a segment's audio gathers. */
export interface SegmentAudio {
  readonly countedSamples: number;
  slice(from: number, to: number): Int16Array;
}

/**
 * The mean to search a segment with. Feeds the segment's samples to the lane's mean in whole blocks, so that the moment of looking does not
 * matter: the mean in use is the one at the segment's start, or at the last of the steps that the lane has come over since.
 */
export class MeanEstimate {
  readonly #mean: CepstralMean;
  readonly #segment: SegmentAudio;
  readonly #frontEnd: Pick<FrontEnd, 'process'>;
  readonly #fallback: Float32Array;
  #takenSamples = 0;
  #used: Float32Array | undefined;

  /** `fallback`: the mean where there is no speech at all. */
  constructor(mean: CepstralMean, segment: SegmentAudio, frontEnd: Pick<FrontEnd, 'process'>, fallback: Float32Array) {
    this.#mean = mean;
    this.#segment = segment;
    this.#frontEnd = frontEnd;
    this.#fallback = fallback;
    this.#used = mean.frames >= MIN_MEAN_FRAMES ? mean.value(fallback) : undefined;
  }

  /** The mean to search with; undefined while too little is known. Another object than before: the search so far is of no use. */
  get used(): Float32Array | undefined {
    return this.#used;
  }

  /** Takes the whole blocks that are there; answers how many samples. */
  takeBlocks(): number {
    const before = this.#takenSamples;
    while (this.#segment.countedSamples - this.#takenSamples >= BLOCK_SAMPLES) {
      const { frames } = this.#mean;
      this.#take(BLOCK_SAMPLES);
      if (STEPS_FRAMES.some((step) => frames < step && this.#mean.frames >= step)) this.#used = this.#mean.value(this.#fallback);
    }
    return this.#takenSamples - before;
  }

  /** The segment is complete: takes all of it, and knows a mean to search with. */
  takeRest(): Float32Array {
    this.takeBlocks();
    this.#take(this.#segment.countedSamples - this.#takenSamples);
    this.#used ??= this.#mean.value(this.#fallback);
    return this.#used;
  }

  #take(count: number): void {
    if (count === 0) return;
    this.#mean.add(this.#frontEnd.process(this.#segment.slice(this.#takenSamples, this.#takenSamples + count)));
    this.#takenSamples += count;
  }
}
