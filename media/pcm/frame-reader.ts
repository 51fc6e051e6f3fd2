import { BYTES_PER_SAMPLE, SAMPLE_READERS, type SampleEncoding, type SampleReader } from './sample-encoding.ts';

/**
 * Cuts interleaved bytes into sample frames and deinterleaves them: N channels in, N arrays of equal length out.
 * A frame split between two calls is carried over; one that never gets complete is dropped.
 */
export class FrameReader {
  readonly #channels: number;
  readonly #bytesPerSample: number;
  readonly #read: SampleReader;
  readonly #carry: Uint8Array;
  #carriedBytes = 0;

  constructor(encoding: SampleEncoding, channels: number) {
    this.#channels = channels;
    this.#bytesPerSample = BYTES_PER_SAMPLE[encoding];
    this.#read = SAMPLE_READERS[encoding];
    this.#carry = new Uint8Array(this.bytesPerFrame);
  }

  get bytesPerFrame(): number {
    return this.#channels * this.#bytesPerSample;
  }

  push(bytes: Uint8Array): Int16Array[] {
    const frames = Math.floor((this.#carriedBytes + bytes.length) / this.bytesPerFrame);
    const channels = Array.from({ length: this.#channels }, () => new Int16Array(frames));
    let written = 0;
    let offset = 0;
    if (this.#carriedBytes > 0) {
      offset = Math.min(bytes.length, this.bytesPerFrame - this.#carriedBytes);
      this.#keep(bytes.subarray(0, offset));
      if (this.#carriedBytes < this.bytesPerFrame) return channels;
      this.#copyFrames(this.#carry, channels, 0, 1);
      this.#carriedBytes = 0;
      written = 1;
    }
    const body = bytes.subarray(offset);
    this.#copyFrames(body, channels, written, frames - written);
    this.#keep(body.subarray((frames - written) * this.bytesPerFrame));
    return channels;
  }

  #keep(bytes: Uint8Array): void {
    this.#carry.set(bytes, this.#carriedBytes);
    this.#carriedBytes += bytes.length;
  }

  #copyFrames(bytes: Uint8Array, channels: readonly Int16Array[], at: number, frames: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (const [index, samples] of channels.entries()) {
      let offset = index * this.#bytesPerSample;
      for (let frame = 0; frame < frames; frame++) {
        samples[at + frame] = this.#read(view, offset);
        offset += this.bytesPerFrame;
      }
    }
  }
}
