import { msToSamples, SAMPLE_RATE_HZ } from '../../../core/audio.ts';

/** A word that the upstreams of these tests hear: a loud stretch of up to half a second. Seconds of the audio. */
export interface Heard {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

const LOUD_FROM = 1000;
const BLOCK_SAMPLES = msToSamples(10);
const BLOCKS_PER_WORD = 50;
const MIN_BLOCKS = 10;

/** Is any sample of the block loud? Speech has quiet blocks within its words: those count too if loud ones are close. */
export function loudBlocks(samples: Int16Array): boolean[] {
  const loud: boolean[] = [];
  for (let start = 0; start + BLOCK_SAMPLES <= samples.length; start += BLOCK_SAMPLES) {
    loud.push(samples.subarray(start, start + BLOCK_SAMPLES).some((sample) => Math.abs(sample) >= LOUD_FROM));
  }
  return loud;
}

/** Words of the audio, from `fromSeconds` on. */
export function heardIn(samples: Int16Array, fromSeconds = 0): Heard[] {
  const from = Math.round(fromSeconds * SAMPLE_RATE_HZ);
  const loud = loudBlocks(samples.subarray(from));
  const words: Heard[] = [];
  let begun = -1;
  for (let block = 0; block <= loud.length; block += 1) {
    if (begun >= 0 && (loud[block] !== true || block - begun >= BLOCKS_PER_WORD)) {
      if (block - begun >= MIN_BLOCKS) {
        const at = (blocks: number): number => fromSeconds + (blocks * BLOCK_SAMPLES) / SAMPLE_RATE_HZ;
        words.push({ word: `w${String(words.length)}`, start: at(begun), end: at(block) });
      }
      begun = -1;
    }
    if (begun < 0 && loud[block] === true) begun = block;
  }
  return words;
}

/** Sixteen-bit little-endian audio that arrives in pieces. */
export class HeardAudio {
  #bytes: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
  }

  get bytes(): number {
    return this.#bytes.length;
  }

  get seconds(): number {
    return this.samples.length / SAMPLE_RATE_HZ;
  }

  get samples(): Int16Array {
    const copy = Uint8Array.from(this.#bytes.subarray(0, this.#bytes.length & ~1));
    return new Int16Array(copy.buffer);
  }
}
