import type * as lanes from '../adapters/engine-messages.ts';

/** Cepstral statistics of a lane after its last settled segment: all that a fresh process needs to go on. */
export interface LaneState {
  readonly cepstralSum: Float64Array;
  readonly frames: number;
}

export type { Word as SettledWord } from '../../core/transcript.ts';
export type ToEngine = lanes.ToEngine<LaneState>;
export type FromEngine = lanes.FromEngine<LaneState>;
