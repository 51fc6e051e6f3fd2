import { BLOCK_FRAMES, SAMPLES_PER_FRAME } from './cepstra-track.ts';
import type { CepstralMean } from './cepstral-mean.ts';
import type { FrontEnd } from './library.ts';
import { joined } from './joined.ts';

const BLOCK_SAMPLES = BLOCK_FRAMES * SAMPLES_PER_FRAME;

/** Where a segment's audio gathers. */
interface SegmentAudio {
  readonly pcm: readonly Int16Array[];
  readonly pcmSamples: number;
}

/** Feeds a segment's samples to the mean in whole blocks, so that the moment of looking does not matter. */
export class MeanEstimate {
  readonly #mean: CepstralMean;
  readonly #segment: SegmentAudio;
  readonly #frontEnd: Pick<FrontEnd, 'process'>;
  #takenSamples = 0;

  constructor(mean: CepstralMean, segment: SegmentAudio, frontEnd: Pick<FrontEnd, 'process'>) {
    this.#mean = mean;
    this.#segment = segment;
    this.#frontEnd = frontEnd;
  }

  /** Takes the next whole block; false where it has not arrived. */
  takeBlock(): boolean {
    if (this.#segment.pcmSamples - this.#takenSamples < BLOCK_SAMPLES) return false;
    this.#take(BLOCK_SAMPLES);
    return true;
  }

  takeRest(): void {
    this.#take(this.#segment.pcmSamples - this.#takenSamples);
  }

  #take(count: number): void {
    if (count === 0) return;
    const samples = joined(this.#segment.pcm).slice(this.#takenSamples, this.#takenSamples + count);
    this.#mean.add(this.#frontEnd.process(samples));
    this.#takenSamples += count;
  }
}
