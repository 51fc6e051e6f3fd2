import type * as lanes from '../adapters/engine-messages.ts';

/** Cepstral statistics of a lane's speech. */
export interface CepstralState {
  readonly cepstralSum: Float64Array;
  readonly frames: number;
}

/** What is known of a lane after its last settled segment: all that a fresh process needs to go on. */
export interface LaneState extends CepstralState {
  /** What was said last, if anything. */
  readonly lastWord: { readonly text: string; readonly endSample: number } | undefined;
  /** Cepstra of the segments so far, while the lane is young. */
  readonly context: readonly Float32Array[];
}

export type { Word as SettledWord } from '../../core/transcript.ts';
export type ToEngine = lanes.ToEngine<LaneState>;
export type FromEngine = lanes.FromEngine<LaneState>;
