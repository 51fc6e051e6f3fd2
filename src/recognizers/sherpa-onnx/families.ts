/** Kinds of models, by how sherpa-onnx is told to load them. */
export const MODEL_FAMILIES = [
  'streaming-transducer',
  'streaming-zipformer-ctc',
  'streaming-nemo-ctc',
  'streaming-paraformer',
  'streaming-t-one-ctc',
  'transducer',
  'nemo-transducer',
  'nemo-ctc',
  'zipformer-ctc',
  'wenet-ctc',
  'telespeech-ctc',
  'dolphin-ctc',
  'paraformer',
  'sense-voice',
  'whisper',
  'moonshine',
  'moonshine-merged',
  'canary',
  'fire-red',
  'fire-red-ctc',
  'punctuation',
  'streaming-punctuation',
] as const;

export type ModelFamily = (typeof MODEL_FAMILIES)[number];

export interface FamilyTraits {
  /** `streaming` follows speech as it comes, `segments` takes a whole stretch at a time, `text` hears nothing. */
  readonly mode: 'streaming' | 'segments' | 'text';
  /** Files by their role: each matches its file name without folder and prefix. The first that matches is taken. */
  readonly files: Readonly<Record<string, RegExp>>;
  /** Does it tell when each token was said? */
  readonly tokenTimes: boolean;
  /** Does it tell how sure it is of each token? */
  readonly tokenProbabilities: boolean;
  readonly maxSegmentSeconds: number;
  /** Standing against other models (PocketSphinx has 10). A guess from published error rates: a manifest can tell better. */
  readonly rank: { readonly live: number; readonly batch: number };
}

const TRANSDUCER = { encoder: /^encoder/, decoder: /^decoder/, joiner: /^joiner/, tokens: /^tokens\.txt$/ };
const SINGLE = { model: /^(ctc|model)\b/, tokens: /^tokens\.txt$/ };
const PAIR = { encoder: /^encoder/, decoder: /^decoder/, tokens: /^tokens\.txt$/ };

const streaming = (files: FamilyTraits['files'], rank: number, tokenProbabilities = false): FamilyTraits => ({
  mode: 'streaming',
  files,
  tokenTimes: true,
  tokenProbabilities,
  maxSegmentSeconds: 30,
  rank: { live: rank, batch: rank },
});

/** Interims of these are made by hearing the growing segment again: behind streaming models for live, ahead of them for files. */
const segments = (files: FamilyTraits['files'], rank: number, more: Partial<FamilyTraits> = {}): FamilyTraits => ({
  mode: 'segments',
  files,
  tokenTimes: true,
  tokenProbabilities: false,
  maxSegmentSeconds: 25,
  rank: { live: rank - 25, batch: rank },
  ...more,
});

const text = (files: FamilyTraits['files']): FamilyTraits => ({
  mode: 'text',
  files,
  tokenTimes: false,
  tokenProbabilities: false,
  maxSegmentSeconds: 0,
  rank: { live: 0, batch: 0 },
});

const UNTIMED = { tokenTimes: false };

export const FAMILIES: Readonly<Record<ModelFamily, FamilyTraits>> = {
  'streaming-transducer': streaming(TRANSDUCER, 70, true),
  'streaming-zipformer-ctc': streaming(SINGLE, 65),
  'streaming-nemo-ctc': streaming(SINGLE, 65),
  'streaming-paraformer': { ...streaming(PAIR, 60), ...UNTIMED },
  'streaming-t-one-ctc': streaming(SINGLE, 60),
  transducer: segments(TRANSDUCER, 75, { tokenProbabilities: true }),
  'nemo-transducer': segments(TRANSDUCER, 85, { tokenProbabilities: true }),
  'nemo-ctc': segments(SINGLE, 75),
  'zipformer-ctc': segments(SINGLE, 70),
  'wenet-ctc': segments(SINGLE, 65),
  'telespeech-ctc': segments(SINGLE, 65),
  'dolphin-ctc': segments(SINGLE, 60),
  paraformer: segments(SINGLE, 70, UNTIMED),
  'sense-voice': segments(SINGLE, 72),
  whisper: segments({ encoder: /encoder/, decoder: /decoder/, tokens: /tokens\.txt$/ }, 74, UNTIMED),
  moonshine: segments({ preprocessor: /^preprocess/, encoder: /^encode/, uncachedDecoder: /^uncached_decode/, cachedDecoder: /^cached_decode/, tokens: /^tokens\.txt$/ }, 68, UNTIMED),
  'moonshine-merged': segments({ encoder: /^encoder/, mergedDecoder: /^decoder/, tokens: /^tokens\.txt$/ }, 68, UNTIMED),
  canary: segments(PAIR, 72, UNTIMED),
  'fire-red': segments(PAIR, 72, UNTIMED),
  'fire-red-ctc': segments(SINGLE, 70),
  punctuation: text({ ctTransformer: /^model/ }),
  'streaming-punctuation': text({ cnnBilstm: /^model/, bpeVocab: /^bpe\.vocab$/ }),
};
