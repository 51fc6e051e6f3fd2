import { msToSamples } from '../../src/core/audio.ts';
import { WindowedMinimum } from './windowed-minimum.ts';

/** Correction begins at this error, and goes on until that. Less than a frame, more than networks and busy machines feign. */
const BEGIN_SAMPLES = msToSamples(12);
const END_SAMPLES = msToSamples(1);
/** One sample of a 20 ms frame is 0.3 %: nobody hears it, and it outruns any clock. */
const STEP_SAMPLES = 1;

/**
 * Decides how far the place of RTP time in the lane moves with each packet, so that lane time stays the time of this server's clock. Pure.
 * Where silence stands before the packet all of the error goes there; else one sample with each packet.
 */
export class DriftCorrection {
  #active = false;
  #totalSamples = 0;

  /** Samples added so far, less those taken out. */
  get totalSamples(): number {
    return this.#totalSamples;
  }

  /** `errorSamples`: how much later the packet belongs than it would be placed; `silenceSamples`: the gap before it. */
  next(errorSamples: number, silenceSamples: number): number {
    const size = Math.abs(errorSamples);
    this.#active = size > (this.#active ? END_SAMPLES : BEGIN_SAMPLES);
    if (!this.#active) return 0;
    const limit = silenceSamples === 0 ? STEP_SAMPLES : errorSamples > 0 ? size : Math.max(STEP_SAMPLES, silenceSamples);
    const shift = Math.sign(errorSamples) * Math.trunc(Math.min(size, limit));
    this.#totalSamples += shift;
    return shift;
  }
}

/** The frame made longer (or, if negative, shorter) by a few samples, by linear interpolation over all of it. */
export function stretched(samples: Int16Array, bySamples: number): Int16Array {
  const length = samples.length + bySamples;
  if (bySamples === 0 || length < 2) return samples;
  const step = (samples.length - 1) / (length - 1);
  const out = new Int16Array(length);
  for (let i = 0; i < length; i += 1) {
    const at = i * step;
    const left = Math.min(samples.length - 2, Math.floor(at));
    const [a = 0, b = 0] = [samples[left], samples[left + 1]];
    out[i] = Math.round(a + (b - a) * (at - left));
  }
  return out;
}

/** Frames that must be known before one is judged. */
const MIN_FRAMES = 25;
/** A frame is silence up to so many times the power of the quietest of the last 20 s, and this power at all. */
const QUIET_FACTOR = 4;
const MAX_QUIET_POWER = 300 ** 2;

/** Finds frames that can be left out of a lane that is ahead of its time: of every two in a pause one. Pure. */
export class QuietFrames {
  readonly #floor = new WindowedMinimum();
  #frames = 0;
  #keepNext = false;

  mayDrop(samples: Int16Array, nowMs: number): boolean {
    let power = 0;
    for (const sample of samples) power += sample * sample;
    power /= samples.length;
    this.#floor.add(power, nowMs);
    this.#frames += 1;
    const isQuiet = power <= Math.min(MAX_QUIET_POWER, QUIET_FACTOR * (this.#floor.value ?? 0));
    const drops = this.#frames > MIN_FRAMES && isQuiet && !this.#keepNext;
    this.#keepNext = drops;
    return drops;
  }
}
