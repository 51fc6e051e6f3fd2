import type { LaneTotals } from '../transcript.ts';

/** Counts what a lane heard, in samples: what a tenant is billed for, to the sample. */
export class Meter {
  readonly #laneIndex: number;
  #heardSamples = 0;
  #speechSamples = 0;
  #gapSamples = 0;

  constructor(laneIndex: number) {
    this.#laneIndex = laneIndex;
  }

  hear(samples: number): void {
    this.#heardSamples += samples;
  }

  miss(samples: number): void {
    this.#heardSamples += samples;
    this.#gapSamples += samples;
  }

  recognize(samples: number): void {
    this.#speechSamples += samples;
  }

  totals(): LaneTotals {
    return {
      laneIndex: this.#laneIndex,
      heardSamples: this.#heardSamples,
      speechSamples: this.#speechSamples,
      gapSamples: this.#gapSamples,
    };
  }
}
