import { CEPSTRUM_SIZE, FRAMES_PER_SECOND } from './library.ts';

export const SAMPLES_PER_FRAME = 16_000 / FRAMES_PER_SECOND;
/** Frames searched at a time. Fixed and counted from the segment's start: results must not depend on how audio arrived. */
export const BLOCK_FRAMES = 10;

/**
 * The last stretch of a lane's cepstra, addressed by frame number. Frames are numbered without holes as the front end
 * makes them; where the lane jumps ahead, the distance between frame numbers and lane samples grows.
 */
export class CepstraTrack {
  #blocks: Float32Array[] = [];
  #firstFrame = 0;
  #endFrame = 0;
  #fedSamples = 0;
  #skippedSamples = 0;

  /** First frame not yet made. */
  get endFrame(): number {
    return this.#endFrame;
  }

  /** Lane sample minus sample fed to the front end. */
  get skippedSamples(): number {
    return this.#skippedSamples;
  }

  /** The lane goes on at `startSample` with `count` samples, whose cepstra follow by `append`. */
  advance(startSample: number, count: number): void {
    this.#skippedSamples = startSample - this.#fedSamples;
    this.#fedSamples += count;
  }

  append(cepstra: Float32Array): void {
    if (cepstra.length === 0) return;
    this.#blocks.push(cepstra);
    this.#endFrame += cepstra.length / CEPSTRUM_SIZE;
  }

  frameAt(sample: number): number {
    return Math.max(this.#firstFrame, Math.floor((sample - this.#skippedSamples) / SAMPLES_PER_FRAME));
  }

  /** A copy of frames `from` to `to` (exclusive); both must be kept. */
  slice(from: number, to: number): Float32Array {
    const out = new Float32Array(Math.max(0, to - from) * CEPSTRUM_SIZE);
    let blockStart = this.#firstFrame;
    for (const block of this.#blocks) {
      const blockEnd = blockStart + block.length / CEPSTRUM_SIZE;
      const first = Math.max(from, blockStart);
      const last = Math.min(to, blockEnd);
      if (first < last) {
        const part = block.subarray((first - blockStart) * CEPSTRUM_SIZE, (last - blockStart) * CEPSTRUM_SIZE);
        out.set(part, (first - from) * CEPSTRUM_SIZE);
      }
      blockStart = blockEnd;
    }
    return out;
  }

  /** Forgets whole blocks before `frame`. */
  forgetBefore(frame: number): void {
    let dropped = 0;
    for (const block of this.#blocks) {
      const length = block.length / CEPSTRUM_SIZE;
      if (this.#firstFrame + length > frame) break;
      this.#firstFrame += length;
      dropped += 1;
    }
    if (dropped > 0) this.#blocks = this.#blocks.slice(dropped);
  }
}
