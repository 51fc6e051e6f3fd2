import { join } from 'node:path';
import { FAMILIES } from './families.ts';
import type { ModelDescription } from './model-folder.ts';

export interface EngineConfigOptions {
  readonly folder: string;
  readonly threads: number;
  /** What Whisper and its like are told to expect; default: they find out. */
  readonly language?: string | undefined;
}

/** Key of sherpa-onnx's model configuration under which the files of a family go. */
const SECTIONS = {
  'streaming-transducer': 'transducer',
  'streaming-zipformer-ctc': 'zipformer2Ctc',
  'streaming-nemo-ctc': 'nemoCtc',
  'streaming-paraformer': 'paraformer',
  'streaming-t-one-ctc': 'toneCtc',
  transducer: 'transducer',
  'nemo-transducer': 'transducer',
  'nemo-ctc': 'nemoCtc',
  'zipformer-ctc': 'zipformerCtc',
  'wenet-ctc': 'wenetCtc',
  'telespeech-ctc': 'teleSpeechCtc',
  'dolphin-ctc': 'dolphin',
  paraformer: 'paraformer',
  'sense-voice': 'senseVoice',
  whisper: 'whisper',
  moonshine: 'moonshine',
  'moonshine-merged': 'moonshine',
  canary: 'canary',
  'fire-red': 'fireRedAsr',
  'fire-red-ctc': 'fireRedAsrCtc',
  punctuation: '',
  'streaming-punctuation': '',
} as const;

/** The configuration of sherpa-onnx's recognizer for a model. Its own endpointing is off: one endpointer cuts for all engines. */
export function recognizerConfig(model: ModelDescription, options: EngineConfigOptions): object {
  const { tokens = '', ...files } = pathsOf(model, options.folder);
  const { decodingMethod = 'greedy_search' } = model.manifest;
  const section = SECTIONS[model.family];
  const modelConfig = {
    [section]: model.family === 'telespeech-ctc' ? files['model'] : { ...files, ...sectionOptions(model, options.language) },
    tokens,
    numThreads: options.threads,
    provider: 'cpu',
    debug: 0,
    ...(model.family === 'nemo-transducer' && { modelType: 'nemo_transducer' }),
    ...(model.family === 'transducer' && { modelType: 'transducer' }),
  };
  return { featConfig: { sampleRate: 16_000, featureDim: 80 }, modelConfig, decodingMethod, enableEndpoint: false };
}

/** The configuration of a punctuation model. */
export function punctuationConfig(model: ModelDescription, { folder, threads }: EngineConfigOptions): object {
  return { model: { ...pathsOf(model, folder), numThreads: threads, provider: 'cpu', debug: 0 } };
}

/** Can this family be told what language to expect? */
export function takesLanguage(model: ModelDescription): boolean {
  return ['whisper', 'canary'].includes(model.family) && model.languages.length > 1;
}

/** Silence that the model wants after the speech, in samples; of a streaming model beyond that which fills its last chunk. */
export function tailSamples(model: ModelDescription): number {
  // The last three frames of 60 ms of a chunk are only heard with the next.
  if (model.family === 'streaming-paraformer') return 3200;
  return ['transducer', 'nemo-transducer', 'zipformer-ctc'].includes(model.family) ? 8000 : 0;
}

function sectionOptions(model: ModelDescription, language: string | undefined): object {
  switch (model.family) {
    case 'whisper':
      return { language: language ?? (model.languages.length === 1 ? model.languages[0] : ''), task: 'transcribe', enableTokenTimestamps: 1 };
    case 'sense-voice':
      return { language: language ?? 'auto', useInverseTextNormalization: 1 };
    case 'canary':
      return { srcLang: language ?? model.languages[0] ?? 'en', tgtLang: language ?? model.languages[0] ?? 'en', usePnc: 1 };
    default:
      return {};
  }
}

function pathsOf({ family, files }: ModelDescription, folder: string): Record<string, string> {
  return Object.fromEntries(Object.keys(FAMILIES[family].files).map((role) => [role, join(folder, files[role] ?? '')]));
}
