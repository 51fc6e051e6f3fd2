import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { OnnxModel } from './onnx.ts';

/** Files of a model folder, by their names. */
export type ModelFiles = Readonly<Record<string, Buffer | string>>;

/**
 * Models of the shapes and names of published ones, a few kilobytes each, that hear tones instead of speech: each token belongs to a
 * band of the spectrum, and is the answer wherever that band is loud. So what they recognize can be told beforehand.
 */
export const TONES_HZ = [440, 1000, 2000, 4000] as const;

/** First and last mel bin of each token's band, blank excluded. */
export const BANDS: readonly (readonly [number, number])[] = [
  [9, 16],
  [24, 31],
  [40, 47],
  [58, 65],
];
export const TOKENS = ['<blk>', '▁low', '▁mid', 'dle', '▁high', '<unk>'];
export const MEL_BINS = 80;
/** Mean log energy of a band from which it is loud. */
export const LOUD = -6;
/** NeMo's filters for high tones are wider, and each hears less of them. */
const NEMO_LOUD = -11;
const SUBSAMPLING = 4;

export const tokensTxt = (tokens: readonly string[] = TOKENS): string => tokens.map((token, id) => `${token} ${String(id)}\n`).join('');

export function writeModel(folder: string, files: ModelFiles): string {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  return folder;
}

/** `features` [N, T, bins x stacked] to logits [N, T / pooled, tokens]: the loudness of each token's band, blank where none is loud. */
export function hear(model: OnnxModel, features: string, pooled: number, tokens: readonly string[] = TOKENS, stacked = 1, loud = LOUD): string {
  const bins = MEL_BINS * stacked;
  const grouped = model.node('Reshape', [features, model.constant('int64', [4], [0, -1, pooled, bins])]);
  const mean = model.node('ReduceMean', [grouped], { axes: [2], keepdims: 0 });
  const bandOf = (token: string): readonly [number, number] | undefined => BANDS[TOKENS.indexOf(token) - 1];
  const weights = Array.from({ length: bins }, (_, bin) =>
    tokens.map((token) => {
      const [first, last] = bandOf(token) ?? [1, 0];
      const within = bin % MEL_BINS >= first && bin % MEL_BINS <= last;
      return within ? 1 / (last - first + 1) / stacked : 0;
    }),
  ).flat();
  const energy = model.node('MatMul', [mean, model.constant('float', [bins, tokens.length], weights)]);
  const bias = tokens.map((token) => (token === '<blk>' ? loud : bandOf(token) ? 0 : -100));
  return model.node('Add', [energy, model.constant('float', [tokens.length], bias)]);
}

type State = readonly [name: string, shape: readonly (number | string)[]];

/** The states of a streaming Zipformer of one layer. */
const ZIPFORMER_STATES: readonly State[] = [
  ['key_0', [2, 'N', 4]],
  ['nonlin_attn_0', [1, 'N', 2, 3]],
  ['val1_0', [2, 'N', 4]],
  ['val2_0', [2, 'N', 4]],
  ['conv1_0', ['N', 4, 1]],
  ['conv2_0', ['N', 4, 1]],
  ['embed_states', ['N', 128, 3, 19]],
];
const CHUNK_FRAMES = 32;
const CONTEXT_FRAMES = 13;
const ZIPFORMER_METADATA = {
  model_type: 'zipformer2',
  T: CHUNK_FRAMES + CONTEXT_FRAMES,
  decode_chunk_len: CHUNK_FRAMES,
  encoder_dims: 4,
  query_head_dims: 4,
  value_head_dims: 4,
  num_heads: 1,
  num_encoder_layers: 1,
  cnn_module_kernels: 3,
  left_context_len: 2,
};

/** A streaming Zipformer whose states are only passed on. `head` makes of the logits what the output `name` is. */
function streamingZipformer(name: string, head: (model: OnnxModel, logits: string) => string): Buffer {
  const model = new OnnxModel();
  const x = model.input('x', 'float', ['N', CHUNK_FRAMES + CONTEXT_FRAMES, MEL_BINS]);
  for (const [state, shape] of ZIPFORMER_STATES) model.input(`cached_${state}`, 'float', shape);
  model.input('processed_lens', 'int64', ['N']);
  const present = model.node('Slice', [x, model.constant('int64', [1], [0]), model.constant('int64', [1], [CHUNK_FRAMES]), model.constant('int64', [1], [1])]);
  model.output(name, 'float', ['N', CHUNK_FRAMES / SUBSAMPLING, TOKENS.length], head(model, hear(model, present, SUBSAMPLING)));
  for (const [state, shape] of ZIPFORMER_STATES) model.output(`new_cached_${state}`, 'float', shape, `cached_${state}`);
  model.output('new_processed_lens', 'int64', ['N'], model.node('Add', ['processed_lens', model.constant('int64', [1], [CHUNK_FRAMES / 2])]));
  return model.bytes(ZIPFORMER_METADATA);
}

const logSoftmax = (model: OnnxModel, logits: string): string => model.node('LogSoftmax', [logits], { axis: 2 });

/** As `sherpa-onnx-streaming-zipformer-ctc-small-2024-03-18`. */
export function streamingZipformerCtc(): ModelFiles {
  return { 'ctc-epoch-30-avg-3-chunk-16-left-128.int8.onnx': streamingZipformer('log_probs', logSoftmax), 'tokens.txt': tokensTxt() };
}

/** As `sherpa-onnx-streaming-zipformer-en-2023-06-26`. */
export function streamingZipformerTransducer(): ModelFiles {
  return {
    'encoder-epoch-99-avg-1-chunk-16-left-128.int8.onnx': streamingZipformer('encoder_out', (_, logits) => logits),
    'decoder-epoch-99-avg-1-chunk-16-left-128.onnx': statelessDecoder(),
    'joiner-epoch-99-avg-1-chunk-16-left-128.int8.onnx': joiner(),
    'tokens.txt': tokensTxt(),
  };
}

/** As `sherpa-onnx-zipformer-en-2023-06-26`. */
export function zipformerTransducer(): ModelFiles {
  const model = new OnnxModel();
  const x = model.input('x', 'float', ['N', 'T', MEL_BINS]);
  const lengths = model.input('x_lens', 'int64', ['N']);
  model.output('encoder_out', 'float', ['N', 'S', TOKENS.length], hear(model, wholeGroups(model, x, SUBSAMPLING), SUBSAMPLING));
  model.output('encoder_out_lens', 'int64', ['N'], model.node('Div', [lengths, model.constant('int64', [1], [SUBSAMPLING])]));
  return {
    'encoder-epoch-99-avg-1.int8.onnx': model.bytes({ model_type: 'zipformer2' }),
    'decoder-epoch-99-avg-1.onnx': statelessDecoder(),
    'joiner-epoch-99-avg-1.int8.onnx': joiner(),
    'tokens.txt': tokensTxt(),
  };
}

/** Says of the last token that it should not come again: a tone is one token, however long it is. */
function notAgain(model: OnnxModel, lastToken: string, tokens: readonly string[]): string {
  const penalties = tokens.flatMap((_, row) => tokens.map((token, column) => (row === column && token !== '<blk>' ? -1000 : 0)));
  return model.node('Gather', [model.constant('float', [tokens.length, tokens.length], penalties), lastToken], { axis: 0 });
}

function statelessDecoder(): Buffer {
  const model = new OnnxModel();
  const y = model.input('y', 'int64', ['N', 2]);
  model.output('decoder_out', 'float', ['N', TOKENS.length], notAgain(model, model.node('Gather', [y, model.constant('int64', [], [1])], { axis: 1 }), TOKENS));
  return model.bytes({ vocab_size: TOKENS.length, context_size: 2 });
}

function joiner(): Buffer {
  const model = new OnnxModel();
  const encoded = model.input('encoder_out', 'float', ['N', TOKENS.length]);
  const decoded = model.input('decoder_out', 'float', ['N', TOKENS.length]);
  model.output('logit', 'float', ['N', TOKENS.length], model.node('Add', [encoded, decoded]));
  return model.bytes({ joiner_dim: TOKENS.length });
}

/** NeMo has its blank last. */
const NEMO_TOKENS = [...TOKENS.slice(1), '<blk>'];
const NEMO_METADATA = { vocab_size: NEMO_TOKENS.length - 1, subsampling_factor: SUBSAMPLING, normalize_type: 'NA', is_giga_am: 0 };

/** Features [N, 80, T], as NeMo has them, to logits [N, T', tokens]. */
function nemoHear(model: OnnxModel): string {
  const signal = model.input('audio_signal', 'float', ['N', MEL_BINS, 'T']);
  const frames = model.node('Transpose', [signal], { perm: [0, 2, 1] });
  return hear(model, wholeGroups(model, frames, SUBSAMPLING), SUBSAMPLING, NEMO_TOKENS, 1, NEMO_LOUD);
}

/** As `sherpa-onnx-nemo-fast-conformer-ctc-en-24500`. */
export function nemoCtc(): ModelFiles {
  const model = new OnnxModel();
  const logits = nemoHear(model);
  model.input('length', 'int64', ['N']);
  model.output('logprobs', 'float', ['N', 'S', NEMO_TOKENS.length], logSoftmax(model, logits));
  return { 'model.onnx': model.bytes({ model_type: 'EncDecCTCModelBPE', ...NEMO_METADATA }), 'tokens.txt': tokensTxt(NEMO_TOKENS) };
}

const NEMO_CHUNK_FRAMES = 16;
const NEMO_WINDOW_FRAMES = 24;
/** Twice that of the models that take whole stretches. */
const NEMO_STREAMING_SUBSAMPLING = 8;

/** As `sherpa-onnx-nemo-streaming-fast-conformer-ctc-en-80ms`: its caches are only passed on. */
export function streamingNemoCtc(): ModelFiles {
  const model = new OnnxModel();
  const signal = model.input('audio_signal', 'float', ['N', MEL_BINS, NEMO_WINDOW_FRAMES]);
  model.input('length', 'int64', ['N']);
  const caches = [['cache_last_channel', 'float', ['N', 1, 2, 3]], ['cache_last_time', 'float', ['N', 1, 3, 2]], ['cache_last_channel_len', 'int64', ['N']]] as const;
  for (const [name, type, shape] of caches) model.input(name, type, shape);
  const frames = model.node('Transpose', [signal], { perm: [0, 2, 1] });
  const present = model.node('Slice', [frames, model.constant('int64', [1], [0]), model.constant('int64', [1], [NEMO_CHUNK_FRAMES]), model.constant('int64', [1], [1])]);
  const logits = hear(model, present, NEMO_STREAMING_SUBSAMPLING, NEMO_TOKENS, 1, NEMO_LOUD);
  model.output('logprobs', 'float', ['N', NEMO_CHUNK_FRAMES / NEMO_STREAMING_SUBSAMPLING, NEMO_TOKENS.length], logSoftmax(model, logits));
  model.output('encoded_lengths', 'int64', ['N'], 'length');
  for (const [name, type, shape] of caches) model.output(`${name}_next`, type, shape, name);
  const metadata = {
    vocab_size: NEMO_TOKENS.length - 1,
    window_size: NEMO_WINDOW_FRAMES,
    chunk_shift: NEMO_CHUNK_FRAMES,
    subsampling_factor: NEMO_STREAMING_SUBSAMPLING,
    cache_last_channel_dim1: 1,
    cache_last_channel_dim2: 2,
    cache_last_channel_dim3: 3,
    cache_last_time_dim1: 1,
    cache_last_time_dim2: 3,
    cache_last_time_dim3: 2,
    model_type: 'EncDecCTCModelBPE',
    normalize_type: 'NA',
  };
  return { 'model.onnx': model.bytes(metadata), 'tokens.txt': tokensTxt(NEMO_TOKENS) };
}

/** As `sherpa-onnx-nemo-parakeet-tdt-0.6b-v2-int8`: a transducer that tells the duration of each token too, here always one frame. */
export function nemoTdt(): ModelFiles {
  const encoder = new OnnxModel();
  const logits = nemoHear(encoder);
  const lengths = encoder.input('length', 'int64', ['N']);
  encoder.output('outputs', 'float', ['N', NEMO_TOKENS.length, 'S'], encoder.node('Transpose', [logits], { perm: [0, 2, 1] }));
  encoder.output('encoded_lengths', 'int64', ['N'], encoder.node('Div', [lengths, encoder.constant('int64', [1], [SUBSAMPLING])]));

  const decoder = new OnnxModel();
  const targets = decoder.input('targets', 'int32', [1, 1]);
  decoder.input('target_length', 'int32', [1]);
  for (const state of ['states.1', 'onnx::Slice_3']) decoder.input(state, 'float', [1, 1, 2]);
  const penalty = decoder.node('Transpose', [notAgain(decoder, targets, NEMO_TOKENS)], { perm: [0, 2, 1] });
  decoder.output('outputs', 'float', [1, NEMO_TOKENS.length, 1], penalty);
  decoder.output('prednet_lengths', 'int32', [1], 'target_length');
  decoder.output('states', 'float', [1, 1, 2], 'states.1');
  decoder.output('162', 'float', [1, 1, 2], 'onnx::Slice_3');

  const join = new OnnxModel();
  const encoded = join.input('encoder_outputs', 'float', [1, NEMO_TOKENS.length, 1]);
  const decoded = join.input('decoder_outputs', 'float', [1, NEMO_TOKENS.length, 1]);
  const durations = join.constant('float', [1, 1, 1, 3], [0, 1, 0]);
  const scores = join.node('Reshape', [join.node('Add', [encoded, decoded]), join.constant('int64', [4], [1, 1, 1, NEMO_TOKENS.length])]);
  join.output('outputs', 'float', [1, 1, 1, NEMO_TOKENS.length + 3], join.node('Concat', [scores, durations], { axis: 3 }));
  const metadata = { ...NEMO_METADATA, model_type: 'EncDecRNNTBPEModel', pred_rnn_layers: 1, pred_hidden: 2, url: 'parakeet-tdt' };
  return { 'encoder.int8.onnx': encoder.bytes(metadata), 'decoder.int8.onnx': decoder.bytes({}), 'joiner.int8.onnx': join.bytes({}), 'tokens.txt': tokensTxt(NEMO_TOKENS) };
}

const SENSE_VOICE_TOKENS = [...TOKENS, '<|en|>', '<|NEUTRAL|>', '<|Speech|>', '<|withitn|>'];
export const STACKED = 7;
/** Natural logarithm of the energy by which samples of 16 bits exceed those from -1 to 1. */
export const INT16_LOG_ENERGY = 2 * Math.log(32_768);

/** As `sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17`: four tags ahead of the text, of which the first is the language. */
export function senseVoice(): ModelFiles {
  const model = new OnnxModel();
  const x = model.input('x', 'float', [1, 'T', MEL_BINS * STACKED]);
  for (const name of ['x_length', 'language', 'text_norm']) model.input(name, 'int32', [1]);
  const heard = hear(model, x, 1, SENSE_VOICE_TOKENS, STACKED);
  const tags = [0, 1, 2, 3].flatMap((row) => SENSE_VOICE_TOKENS.map((_, token) => (token === TOKENS.length + row ? 100 : 0)));
  model.output('logits', 'float', [1, 'S', SENSE_VOICE_TOKENS.length], model.node('Concat', [model.constant('float', [1, 4, SENSE_VOICE_TOKENS.length], tags), heard], { axis: 1 }));
  const repeated = (value: number): string => new Array(MEL_BINS * STACKED).fill(value).join(',');
  const metadata = {
    model_type: 'sense_voice_ctc',
    comment: 'tiny',
    vocab_size: SENSE_VOICE_TOKENS.length,
    lfr_window_size: STACKED,
    lfr_window_shift: 6,
    normalize_samples: 0,
    with_itn: 14,
    without_itn: 15,
    lang_auto: 0,
    lang_zh: 3,
    lang_en: 4,
    lang_yue: 7,
    lang_ja: 11,
    lang_ko: 12,
    neg_mean: repeated(-INT16_LOG_ENERGY),
    inv_stddev: repeated(1),
  };
  return { 'model.int8.onnx': model.bytes(metadata), 'tokens.txt': tokensTxt(SENSE_VOICE_TOKENS) };
}

const WHISPER_TEXT = [' low', ' mid', 'dle', ' high'];
/** Ids of Whisper's own tokens, after those of the text. */
const WHISPER = { eot: 4, sot: 5, en: 6, de: 7, translate: 8, transcribe: 9, noSpeech: 10, noTimestamps: 11, size: 12 };
const WHISPER_CONTEXT = 24;
/** Tokens before the text: start, language, task, no timestamps. */
const WHISPER_PROMPT = 4;
/** Whisper's features lie around 0; silence far below, a tone above. */
const WHISPER_LOUD = 0.7;

/**
 * As `sherpa-onnx-whisper-tiny`: the first token of the text is the first band's, and so on, each as long as its band was loud at some
 * time; then it ends. It takes the language for German where the last band was loud, else for English.
 */
export function whisper(): ModelFiles {
  const bands = BANDS.length;
  const encoder = new OnnxModel();
  const mel = encoder.input('mel', 'float', [1, MEL_BINS, 'T']);
  const loudness = BANDS.map(([first, last]) => {
    const band = encoder.node('Slice', [mel, encoder.constant('int64', [1], [first]), encoder.constant('int64', [1], [last + 1]), encoder.constant('int64', [1], [1])]);
    return encoder.node('ReduceMax', [band], { axes: [1, 2], keepdims: 1 });
  });
  const contrast = encoder.node('Sub', [encoder.node('Concat', loudness, { axis: 2 }), encoder.constant('float', [1], [WHISPER_LOUD])]);
  const heard = encoder.node('Unsqueeze', [contrast, encoder.constant('int64', [1], [0])]);
  encoder.output('n_layer_cross_k', 'float', [1, 1, 1, bands], heard);
  encoder.output('n_layer_cross_v', 'float', [1, 1, 1, bands], heard);
  const metadata = {
    model_type: 'whisper-tiny',
    n_mels: MEL_BINS,
    n_text_layer: 1,
    n_text_ctx: WHISPER_CONTEXT,
    n_text_state: 2,
    n_vocab: WHISPER.size,
    sot: WHISPER.sot,
    eot: WHISPER.eot,
    blank_id: 0,
    translate: WHISPER.translate,
    transcribe: WHISPER.transcribe,
    is_multilingual: 1,
    no_timestamps: WHISPER.noTimestamps,
    no_speech: WHISPER.noSpeech,
    sot_sequence: [WHISPER.sot, WHISPER.en, WHISPER.transcribe].join(','),
    all_language_tokens: [WHISPER.en, WHISPER.de].join(','),
    all_language_codes: 'en,de',
  };
  return {
    'tiny-encoder.int8.onnx': encoder.bytes(metadata),
    'tiny-decoder.int8.onnx': whisperDecoder(),
    'tiny-tokens.txt': tokensTxt(WHISPER_TEXT.map((token) => Buffer.from(token).toString('base64'))),
  };
}

function whisperDecoder(): Buffer {
  const model = new OnnxModel();
  const bands = BANDS.length;
  const tokens = model.input('tokens', 'int64', [1, 'n']);
  for (const cache of ['k', 'v']) model.input(`in_n_layer_self_${cache}_cache`, 'float', [1, 1, WHISPER_CONTEXT, 2]);
  const heard = model.input('n_layer_cross_k', 'float', [1, 1, 1, bands]);
  model.input('n_layer_cross_v', 'float', [1, 1, 1, bands]);
  const offset = model.input('offset', 'int64', [1]);
  // Row by place in the text, column by token: which band speaks for the token there. The first row is for the prompt.
  const rows = WHISPER_CONTEXT;
  const speaks = Array.from({ length: rows * bands * WHISPER.size }, (_, index) => {
    const [row, band, token] = [Math.floor(index / bands / WHISPER.size), Math.floor(index / WHISPER.size) % bands, index % WHISPER.size];
    const place = row === 0 ? 0 : row - WHISPER_PROMPT + 1;
    const isText = place === token && band === token;
    const isLanguage = row === 0 && token === WHISPER.de && band === bands - 1;
    return isText ? 100 : isLanguage ? 1 : 0;
  });
  const table = model.node('Gather', [model.constant('float', [rows, bands, WHISPER.size], speaks), offset], { axis: 0 });
  const said = model.node('MatMul', [model.node('Reshape', [heard, model.constant('int64', [3], [1, 1, bands])]), table]);
  const others = model.constant('float', [WHISPER.size], Array.from({ length: WHISPER.size }, (_, token) => (token === WHISPER.eot ? 1 : token > WHISPER.de ? -10 : 0)));
  const shape = model.node('Concat', [model.node('Shape', [tokens]), model.constant('int64', [1], [WHISPER.size])], { axis: 0 });
  model.output('logits', 'float', [1, 'n', WHISPER.size], model.node('Expand', [model.node('Add', [said, others]), shape]));
  for (const cache of ['k', 'v']) model.output(`out_n_layer_self_${cache}_cache`, 'float', [1, 1, WHISPER_CONTEXT, 2], `in_n_layer_self_${cache}_cache`);
  return model.bytes({});
}

/** Leaves out the frames after the last whole group. */
export function wholeGroups(model: OnnxModel, frames: string, size: number): string {
  const one = model.constant('int64', [1], [1]);
  const group = model.constant('int64', [1], [size]);
  const count = model.node('Slice', [model.node('Shape', [frames]), one, model.constant('int64', [1], [2])]);
  const whole = model.node('Mul', [model.node('Div', [count, group]), group]);
  return model.node('Slice', [frames, model.constant('int64', [1], [0]), whole, one]);
}
