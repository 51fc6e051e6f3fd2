import { OnnxModel } from './onnx.ts';
import { BANDS, hear, INT16_LOG_ENERGY, LOUD, MEL_BINS, type ModelFiles, STACKED, TOKENS, tokensTxt } from './tiny-models.ts';

/** Pieces that go on in the next end with two at signs. */
const PIECES = ['<blank>', 'low', 'mid@@', 'dle', 'high', '<unk>'];
const WINDOW = MEL_BINS * STACKED;
/** The model is given features around 0; what it adds to tell their places is at most 1. */
const MARGIN = 3;
/** Frames of a chunk: five seen before, ten, three to be seen again. */
const FRAMES = 18;
const BLOCKS = 2;
const KERNEL = 3;
const STATE = [1, TOKENS.length, KERNEL - 1] as const;

/**
 * As `sherpa-onnx-streaming-paraformer-bilingual-zh-en`: it fires (alpha of 1) in the frame in which a band becomes the loudest, and what it hands to its decoder there is which one. So a tone is one
 * token, however long it is.
 */
export function streamingParaformer(): ModelFiles {
  return { 'encoder.int8.onnx': encoder(), 'decoder.int8.onnx': decoder(), 'tokens.txt': tokensTxt(PIECES) };
}

function encoder(): Buffer {
  const model = new OnnxModel();
  const speech = model.input('speech', 'float', [1, FRAMES, WINDOW]);
  const lengths = model.input('speech_lengths', 'int32', [1]);
  const int64 = (...values: readonly number[]): string => model.constant('int64', [values.length], values);
  const bands = model.node('Slice', [hear(model, speech, 1, TOKENS, STACKED, 0), int64(1), int64(1 + BANDS.length), int64(2)]);
  const asFloat = (condition: string): string => model.node('Cast', [condition], { to: 1 });
  const isLoud = asFloat(model.node('Greater', [bands, model.constant('float', [1], [MARGIN])]));
  const isLoudest = asFloat(model.node('GreaterOrEqual', [bands, model.node('ReduceMax', [bands], { axes: [2], keepdims: 1 })]));
  const heard = model.node('Mul', [isLoud, isLoudest]);
  const before = model.node('Concat', [model.constant('float', [1, 1, BANDS.length], BANDS.map(() => 1)), model.node('Slice', [heard, int64(0), int64(FRAMES - 1), int64(1)])], { axis: 1 });
  const begins = model.node('Relu', [model.node('Sub', [heard, before])]);
  const nothing = (count: number): string => model.constant('float', [1, FRAMES, count], new Array<number>(FRAMES * count).fill(0));
  const embeddings = model.node('Concat', [nothing(1), begins, nothing(TOKENS.length - 1 - BANDS.length)], { axis: 2 });
  model.output('enc', 'float', [1, FRAMES, TOKENS.length], embeddings);
  model.output('enc_len', 'int32', [1], lengths);
  model.output('alphas', 'float', [1, FRAMES], model.node('ReduceMax', [begins], { axes: [2], keepdims: 0 }));
  const repeated = (value: number): string => new Array<number>(WINDOW).fill(value).join(',');
  return model.bytes({
    model_type: 'paraformer',
    vocab_size: PIECES.length,
    lfr_window_size: STACKED,
    lfr_window_shift: STACKED - 1,
    encoder_output_size: TOKENS.length,
    decoder_num_blocks: BLOCKS,
    decoder_kernel_size: KERNEL,
    neg_mean: repeated(-INT16_LOG_ENERGY - LOUD + MARGIN),
    inv_stddev: repeated(1 / Math.sqrt(TOKENS.length)),
  });
}

function decoder(): Buffer {
  const model = new OnnxModel();
  model.input('enc', 'float', [1, FRAMES, TOKENS.length]);
  model.input('enc_len', 'int32', [1]);
  const embeddings = model.input('acoustic_embeds', 'float', [1, 'n', TOKENS.length]);
  model.input('acoustic_embeds_len', 'int32', [1]);
  const states = Array.from({ length: BLOCKS }, (_, block) => `in_cache_${String(block)}`);
  for (const state of states) model.input(state, 'float', STATE);
  model.output('logits', 'float', [1, 'n', TOKENS.length], embeddings);
  model.output('sample_ids', 'int64', [1, 'n'], model.node('ArgMax', [embeddings], { axis: 2, keepdims: 0 }));
  for (const [block, state] of states.entries()) model.output(`out_cache_${String(block)}`, 'float', STATE, state);
  return model.bytes({});
}
