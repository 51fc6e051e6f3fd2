import type { Word } from '../../core/transcript.ts';
import type { HoldMessage } from './batch-hold.ts';

/**
 * What the server and an engine process say to each other about lanes, by structured clone over the IPC channel.
 * `State` is what an engine learns of a lane and a fresh process needs to go on; `undefined` for engines that learn nothing.
 */

export type ToEngine<State> =
  | HoldMessage
  | { readonly type: 'open'; readonly stream: number; readonly state: State | undefined; readonly language?: string }
  | { readonly type: 'audio'; readonly stream: number; readonly startSample: number; readonly samples: Int16Array }
  | { readonly type: 'begin'; readonly stream: number; readonly segment: number; readonly startSample: number }
  | { readonly type: 'pause' | 'resume'; readonly stream: number; readonly segment: number; readonly atSample: number }
  | { readonly type: 'end'; readonly stream: number; readonly segment: number; readonly endSample: number }
  | { readonly type: 'close'; readonly stream: number };

export type FromEngine<State> =
  | { readonly type: 'ready' }
  /** The stream is known here; sent before anything is done for it. */
  | { readonly type: 'opened'; readonly stream: number }
  /** These samples are searched, or were silence: more may be sent. */
  | { readonly type: 'consumed'; readonly stream: number; readonly samples: number }
  /** A search has come further that has nothing to tell: its segment has ended. */
  | { readonly type: 'searching'; readonly stream: number }
  | { readonly type: 'interim'; readonly stream: number; readonly segment: number; readonly words: readonly Word[] }
  | {
      readonly type: 'settled';
      readonly stream: number;
      readonly segment: number;
      readonly words: readonly Word[];
      /** What the model found the segment to be in, by ISO 639-1 code, where it finds out. */
      readonly language?: string;
      /** What the search took by the clock, where that is measured. */
      readonly searched?: { readonly searchMs: number; readonly speechMs: number };
      readonly state: State;
    };
