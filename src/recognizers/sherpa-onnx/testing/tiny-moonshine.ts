import { SAMPLE_RATE_HZ } from '../../../core/audio.ts';
import { OnnxModel } from './onnx.ts';
import { type ModelFiles, TOKENS, TONES_HZ, tokensTxt, wholeGroups } from './tiny-models.ts';

/** Samples to a frame of Moonshine's. */
const FRAME_SAMPLES = 384;
const TONES = TONES_HZ.length;
const PIECES = ['<unk>', '<s>', '</s>', ...TOKENS.slice(1, 1 + TONES)];
const EOS = 2;
const FIRST_PIECE = 3;
const VOCABULARY = PIECES.length;
/** A quarter of the square of what a tone of the tests' loudness comes to in its own filter. */
const LOUD = 800;
/** Tokens that it can say, the last of them the end. */
const PLACES = 64;

/**
 * As `sherpa-onnx-moonshine-tiny-en-int8`, whose features are learned from the samples: here they are how loud each tone is. The first token of the text is the first tone's, and so on, each as
 * long as its tone was loud at some time; then it ends.
 */
export function moonshine(): ModelFiles {
  return {
    'preprocess.onnx': preprocessor(),
    'encode.int8.onnx': encoder(),
    'uncached_decode.int8.onnx': decoder('uncached'),
    'cached_decode.int8.onnx': decoder('cached'),
    'tokens.txt': tokensTxt(PIECES),
  };
}

function preprocessor(): Buffer {
  const model = new OnnxModel();
  const audio = model.input('audio', 'float', [1, 'n']);
  const frames = model.node('Reshape', [wholeGroups(model, audio, FRAME_SAMPLES), model.constant('int64', [3], [1, -1, FRAME_SAMPLES])]);
  const power = (wave: (x: number) => number): string => {
    const filters = Array.from({ length: FRAME_SAMPLES }, (_, sample) => TONES_HZ.map((hz) => wave((2 * Math.PI * hz * sample) / SAMPLE_RATE_HZ))).flat();
    const heard = model.node('MatMul', [frames, model.constant('float', [FRAME_SAMPLES, TONES], filters)]);
    return model.node('Mul', [heard, heard]);
  };
  model.output('features', 'float', [1, 'T', TONES], model.node('Add', [power(Math.sin), power(Math.cos)]));
  return model.bytes({});
}

function encoder(): Buffer {
  const model = new OnnxModel();
  const features = model.input('features', 'float', [1, 'T', TONES]);
  model.input('features_len', 'int32', [1]);
  model.output('encoder_out', 'float', [1, 'T', TONES], model.node('Sub', [features, model.constant('float', [1], [LOUD])]));
  return model.bytes({});
}

/** The first one is given no state, the other what the one before handed on. */
function decoder(kind: 'uncached' | 'cached'): Buffer {
  const model = new OnnxModel();
  model.input('token', 'int32', [1, 1]);
  const heard = model.input('encoder_out', 'float', [1, 'T', TONES]);
  const length = model.input('seq_len', 'int32', [1]);
  if (kind === 'cached') model.input('state', 'float', [1, 1]);
  // By place in the text (from 1) and tone: the token that it speaks for there.
  const speaks = Array.from({ length: PLACES * TONES * VOCABULARY }, (_, index) => {
    const [place, tone, token] = [Math.floor(index / TONES / VOCABULARY) - 1, Math.floor(index / VOCABULARY) % TONES, index % VOCABULARY];
    return place === tone && token === FIRST_PIECE + tone ? 1 : 0;
  });
  const table = model.node('Gather', [model.constant('float', [PLACES, TONES, VOCABULARY], speaks), length], { axis: 0 });
  const loudest = model.node('ReduceMax', [heard], { axes: [1], keepdims: 1 });
  const ends = model.constant('float', [VOCABULARY], Array.from({ length: VOCABULARY }, (_, token) => (token === EOS ? 1 : token < EOS ? -1e6 : 0)));
  model.output('logits', 'float', [1, 1, VOCABULARY], model.node('Add', [model.node('MatMul', [loudest, table]), ends]));
  model.output('next_state', 'float', [1, 1], kind === 'cached' ? 'state' : model.constant('float', [1, 1], [0]));
  return model.bytes({});
}
