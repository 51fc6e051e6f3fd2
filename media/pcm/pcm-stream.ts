import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';
import { FrameReader } from './frame-reader.ts';
import { Resampler, ResamplerKernel } from './resampler.ts';
import type { SampleEncoding } from './sample-encoding.ts';

/** What interleaved bytes mean. */
export interface PcmFormat {
  readonly encoding: SampleEncoding;
  readonly channels: number;
  /** Frames per second, a whole number. */
  readonly sampleRateHz: number;
}

/** Output samples made in one step, about: keeps a step short and its result small, whatever the rate and the chunk. */
const STEP_SAMPLES = SAMPLE_RATE_HZ / 10;

/** Interleaved bytes of any format to 16 kHz samples per channel. Blocks hold one array per channel, all of equal length, never empty. */
export class PcmStream {
  readonly #frames: FrameReader;
  readonly #resamplers: readonly Resampler[];
  readonly #stepBytes: number;

  constructor(format: PcmFormat) {
    this.#frames = new FrameReader(format.encoding, format.channels);
    const kernel = new ResamplerKernel(format.sampleRateHz);
    this.#resamplers = Array.from({ length: format.channels }, () => new Resampler(kernel));
    this.#stepBytes = this.#frames.bytesPerFrame * Math.max(1, Math.floor((STEP_SAMPLES * format.sampleRateHz) / SAMPLE_RATE_HZ));
  }

  *push(bytes: Uint8Array): Generator<readonly Int16Array[], void, void> {
    for (let offset = 0; offset < bytes.length; offset += this.#stepBytes) {
      const channels = this.#frames.push(bytes.subarray(offset, offset + this.#stepBytes));
      const block = this.#resamplers.map((resampler, index) => resampler.push(channels[index]!));
      if (block[0]?.length) yield block;
    }
  }

  /** What the resamplers held back. Call once, last. */
  *flush(): Generator<readonly Int16Array[], void, void> {
    const block = this.#resamplers.map((resampler) => resampler.flush());
    if (block[0]?.length) yield block;
  }
}
