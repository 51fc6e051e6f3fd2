import { OnnxModel } from './onnx.ts';
import { TONES_HZ, type ModelFiles } from './tiny-models.ts';

/* Models of voices, of the shapes of published ones, to whom every tone is a voice of its own. */

const SAMPLE_RATE_HZ = 16_000;
const MEL_BINS = 80;
/** Mel bins in which each tone is loud. */
const BANDS = [
  [9, 16],
  [24, 31],
  [40, 47],
  [58, 65],
] as const;
/** Log energy of a band from which it counts. */
const LOUD = -6;

/** As the embedding models of WeSpeaker and 3D-Speaker: 80 mel bins in, one vector out, which points to the tone that was heard. */
function speakerEmbedding(): Buffer {
  const model = new OnnxModel();
  const features = model.input('feats', 'float', ['B', 'T', MEL_BINS]);
  const mean = model.node('ReduceMean', [features], { axes: [1], keepdims: 0 });
  const weights = Array.from({ length: MEL_BINS }, (_, bin) => BANDS.map(([first, last]) => (bin >= first && bin <= last ? 1 / (last - first + 1) : 0))).flat();
  const energy = model.node('MatMul', [mean, model.constant('float', [MEL_BINS, BANDS.length], weights)]);
  const above = model.node('Relu', [model.node('Add', [energy, model.constant('float', [1], [-LOUD])])]);
  model.output('embs', 'float', ['B', BANDS.length], above);
  return model.bytes({ framework: 'wespeaker', language: 'English', url: 'none', comment: 'tiny', sample_rate: SAMPLE_RATE_HZ, output_dim: BANDS.length, normalize_samples: 1, feature_normalize_type: '' });
}

const WINDOW_SAMPLES = 10 * SAMPLE_RATE_HZ;
const FRAME_SAMPLES = 270;
const FRAMES = 589;
/** Nobody; each of three; each pair of them. */
const CLASSES = 7;
/** Energy of a tone within a frame, from which it is there. */
const AUDIBLE = 20;

/** As pyannote's segmentation 3.0: ten seconds of samples in, who of three speaks in each frame out. The first two tones are the first two. */
function speakerSegmentation(): Buffer {
  const model = new OnnxModel();
  const samples = model.input('x', 'float', ['N', 1, 'T']);
  const used = model.node('Slice', [samples, model.constant('int64', [1], [0]), model.constant('int64', [1], [FRAMES * FRAME_SAMPLES]), model.constant('int64', [1], [2])]);
  const frames = model.node('Reshape', [used, model.constant('int64', [3], [-1, FRAMES, FRAME_SAMPLES])]);
  const tones = TONES_HZ.slice(0, 2);
  const waves = Array.from({ length: FRAME_SAMPLES }, (_, at) => tones.flatMap((hz) => [Math.cos, Math.sin].map((wave) => wave((2 * Math.PI * hz * at) / SAMPLE_RATE_HZ)))).flat();
  const parts = model.node('MatMul', [frames, model.constant('float', [FRAME_SAMPLES, 2 * tones.length], waves)]);
  const power = model.node('Mul', [parts, parts]);
  const speakers = Array.from({ length: 2 * tones.length }, (_, part) => Array.from({ length: CLASSES }, (__, each) => (each === Math.floor(part / 2) + 1 ? 1 : 0))).flat();
  const loudness = model.node('MatMul', [power, model.constant('float', [2 * tones.length, CLASSES], speakers)]);
  const bias = Array.from({ length: CLASSES }, (_, each) => (each === 0 ? AUDIBLE : each <= tones.length ? 0 : -1000));
  model.output('y', 'float', ['N', FRAMES, CLASSES], model.node('Add', [loudness, model.constant('float', [CLASSES], bias)]));
  return model.bytes({
    num_speakers: 3,
    powerset_max_classes: 2,
    num_classes: CLASSES,
    sample_rate: SAMPLE_RATE_HZ,
    window_size: WINDOW_SAMPLES,
    receptive_field_size: 991,
    receptive_field_shift: FRAME_SAMPLES,
  });
}

/** A folder for `EARSHOT_SPEAKER_MODEL_DIR`. */
export function speakerModels(): ModelFiles {
  return { 'embedding.onnx': speakerEmbedding(), 'segmentation.onnx': speakerSegmentation() };
}
