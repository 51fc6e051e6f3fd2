import { joined } from './joined.ts';

/** The last samples of a lane, at least as many as are to be kept. */
export class SampleMemory {
  readonly #keptSamples: number;
  #parts: Int16Array[] = [];
  #samples = 0;

  constructor(keptSamples: number) {
    this.#keptSamples = keptSamples;
  }

  push(samples: Int16Array): void {
    this.#parts.push(samples);
    this.#samples += samples.length;
    while (this.#samples - (this.#parts[0]?.length ?? 0) > this.#keptSamples) {
      this.#samples -= this.#parts.shift()?.length ?? 0;
    }
  }

  /** A copy of the last `count` samples, or of all if there are fewer. */
  last(count: number): Int16Array {
    const all = joined(this.#parts);
    return all.slice(Math.max(0, all.length - count));
  }
}
