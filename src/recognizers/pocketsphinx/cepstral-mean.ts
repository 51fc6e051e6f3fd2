import { CEPSTRUM_SIZE } from './library.ts';
import type { CepstralState } from './messages.ts';

/** Older speech counts for at most this many frames (30 s): a microphone that moves is followed. */
const MAX_FRAMES = 3000;
/** Energy (the first value of a frame) that no microphone falls below: digital silence, and what a codec leaves of it. */
const MIN_ENERGY = 10;

/**
 * Running mean of a lane's speech cepstra. Subtracting it takes the microphone and the room off the voice;
 * a decoder with a wrong mean makes twice the errors.
 */
export class CepstralMean {
  readonly #sum: Float64Array;
  #frames: number;

  constructor(state?: CepstralState) {
    this.#sum = state ? Float64Array.from(state.cepstralSum) : new Float64Array(CEPSTRUM_SIZE);
    this.#frames = state?.frames ?? 0;
  }

  get frames(): number {
    return this.#frames;
  }

  /** Frames below any microphone's noise say nothing of it, and are left out. */
  add(cepstra: Float32Array): void {
    for (let at = 0; at < cepstra.length; at += CEPSTRUM_SIZE) {
      if (cepstra[at]! < MIN_ENERGY) continue;
      for (let i = 0; i < CEPSTRUM_SIZE; i += 1) this.#sum[i] = this.#sum[i]! + cepstra[at + i]!;
      this.#frames += 1;
    }
  }

  /** Lets old speech weigh less; called once a segment. */
  age(): void {
    if (this.#frames <= MAX_FRAMES) return;
    const share = MAX_FRAMES / this.#frames;
    for (let i = 0; i < CEPSTRUM_SIZE; i += 1) this.#sum[i] = (this.#sum[i]!) * share;
    this.#frames = MAX_FRAMES;
  }

  /** The mean, or `fallback` before any speech. */
  value(fallback: Float32Array): Float32Array {
    return this.#frames === 0 ? fallback : Float32Array.from(this.#sum, (sum) => sum / this.#frames);
  }

  restore(state: CepstralState): void {
    this.#sum.set(state.cepstralSum);
    this.#frames = state.frames;
  }

  state(): CepstralState {
    return { cepstralSum: Float64Array.from(this.#sum), frames: this.#frames };
  }
}
