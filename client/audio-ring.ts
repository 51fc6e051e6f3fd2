/**
 * The last seconds of a capture, addressed by sample position from its start.
 * Overflow policy: the oldest audio is dropped, and a reader that asks for it learns so from `startSample`.
 */
export class AudioRing {
  readonly #maxSamples: number;
  readonly #chunks: Int16Array<ArrayBuffer>[] = [];
  #startSample = 0;
  #endSample = 0;

  constructor(maxSamples: number) {
    this.#maxSamples = maxSamples;
  }

  /** The oldest sample that is still held. */
  get startSample(): number {
    return this.#startSample;
  }

  /** The first sample that is yet to come. */
  get endSample(): number {
    return this.#endSample;
  }

  append(chunk: Int16Array<ArrayBuffer>): void {
    this.#chunks.push(chunk);
    this.#endSample += chunk.length;
    for (let oldest = this.#chunks[0]; oldest && this.#endSample - this.#startSample > this.#maxSamples; oldest = this.#chunks[0]) {
      this.#chunks.shift();
      this.#startSample += oldest.length;
    }
  }

  /** The rest of the chunk that holds `sample`; `undefined` if it is yet to come. Throws a RangeError if it was dropped. */
  chunkAt(sample: number): Int16Array<ArrayBuffer> | undefined {
    if (sample < this.#startSample) throw new RangeError('this audio is no longer held');
    let chunkStart = this.#startSample;
    for (const chunk of this.#chunks) {
      if (sample < chunkStart + chunk.length) return chunk.subarray(sample - chunkStart);
      chunkStart += chunk.length;
    }
    return undefined;
  }
}
