/** What the server and an engine process say to each other, by structured clone over the IPC channel. */

/** Cepstral statistics of a lane after its last settled segment: all that a fresh process needs to go on. */
export interface LaneState {
  readonly cepstralSum: Float64Array;
  readonly frames: number;
}

export interface SettledWord {
  readonly text: string;
  readonly startSample: number;
  readonly endSample: number;
  readonly confidence?: number;
}

export type ToEngine =
  | { readonly type: 'open'; readonly stream: number; readonly state: LaneState | undefined }
  | { readonly type: 'audio'; readonly stream: number; readonly startSample: number; readonly samples: Int16Array }
  | { readonly type: 'begin'; readonly stream: number; readonly segment: number; readonly startSample: number }
  | { readonly type: 'end'; readonly stream: number; readonly segment: number; readonly endSample: number }
  | { readonly type: 'close'; readonly stream: number };

export type FromEngine =
  | { readonly type: 'ready' }
  /** The stream is known here; sent before anything is done for it. */
  | { readonly type: 'opened'; readonly stream: number }
  /** These samples are searched, or were silence: more may be sent. */
  | { readonly type: 'consumed'; readonly stream: number; readonly samples: number }
  | { readonly type: 'interim'; readonly stream: number; readonly segment: number; readonly words: readonly SettledWord[] }
  | {
      readonly type: 'settled';
      readonly stream: number;
      readonly segment: number;
      readonly words: readonly SettledWord[];
      readonly state: LaneState;
    };
