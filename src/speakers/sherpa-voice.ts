import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { SAMPLE_RATE_HZ } from '../core/audio.ts';
import { hearVoices } from './embedded/gaussian-voice.ts';
import type { HeardVoice, VoiceMeasure, Voiceprint } from './voice.ts';

/** Cosine distance from which two embeddings are probably of two people; the clustering threshold of sherpa-onnx's examples too. */
const LIMIT = 0.5;
/** Networks tell little from less. */
const MIN_EMBEDDED_SAMPLES = SAMPLE_RATE_HZ / 2;

/** The parts of sherpa-onnx-node that are used here; the package has no typings of them. */
interface Sherpa {
  readonly SpeakerEmbeddingExtractor: new (config: object) => {
    readonly dim: number;
    createStream(): { acceptWaveform(audio: { readonly sampleRate: number; readonly samples: Float32Array }): void; inputFinished(): void };
    isReady(stream: object): boolean;
    compute(stream: object, enableExternalBuffer: boolean): Float32Array;
  };
  readonly OfflineSpeakerDiarization: new (config: object) => {
    process(samples: Float32Array): readonly { readonly start: number; readonly end: number }[];
  };
}

/**
 * Prints of a neural network: the embeddings of its stretches of speech, each of length 1, summed by their seconds; the number of
 * seconds stands first. Compared by cosine.
 */
export function sherpaVoice(model: string): VoiceMeasure {
  return {
    id: `sherpa-onnx:${model}`,
    merge: (a, b) => a.map((value, index) => value + b[index]!),
    difference: (a, b) => (1 - cosine(a, b)) / LIMIT,
    speechSeconds: (print) => print[0] ?? 0,
  };
}

/** The files of a model folder. Throws with what is missing. */
function filesOf(folder: string): { readonly embedding: string; readonly segmentation: string | undefined } {
  const embedding = join(folder, 'embedding.onnx');
  const segmentation = join(folder, 'segmentation.onnx');
  if (!existsSync(embedding)) throw new Error(`there is no embedding.onnx in ${folder}`);
  return { embedding, segmentation: existsSync(segmentation) ? segmentation : undefined };
}

/** Loads a speaker embedding model, and a pyannote segmentation model where there is one. A corrupt file ends the process. */
export function loadSherpaVoices(folder: string): (samples: Int16Array) => HeardVoice[] {
  const { embedding, segmentation } = filesOf(folder);
  const sherpa = createRequire(import.meta.url)('sherpa-onnx-node') as Sherpa;
  const extractor = new sherpa.SpeakerEmbeddingExtractor({ model: embedding, numThreads: 1, debug: 0, provider: 'cpu' });
  const diarization = segmentation === undefined ? undefined : new sherpa.OfflineSpeakerDiarization(diarizationConfig(segmentation, embedding));
  const embed = (samples: Float32Array): Voiceprint | undefined => {
    const stream = extractor.createStream();
    stream.acceptWaveform({ sampleRate: SAMPLE_RATE_HZ, samples });
    stream.inputFinished();
    if (!extractor.isReady(stream)) return undefined;
    return printOf(extractor.compute(stream, false), samples.length / SAMPLE_RATE_HZ);
  };
  return (samples) => {
    const floats = Float32Array.from(samples, (sample) => sample / 32_768);
    const cuts = diarization
      ? diarization.process(floats).map(({ start, end }) => ({ startSample: Math.round(start * SAMPLE_RATE_HZ), endSample: Math.round(end * SAMPLE_RATE_HZ) }))
      : hearVoices(samples);
    return cuts.flatMap(({ startSample, endSample }) => {
      if (endSample - startSample < MIN_EMBEDDED_SAMPLES) return [];
      const print = embed(floats.subarray(startSample, endSample));
      return print ? [{ startSample, endSample, print }] : [];
    });
  };
}

function diarizationConfig(segmentation: string, embedding: string): object {
  return {
    segmentation: { pyannote: { model: segmentation }, numThreads: 1, provider: 'cpu' },
    embedding: { model: embedding, numThreads: 1, provider: 'cpu' },
    clustering: { numClusters: -1, threshold: LIMIT },
    minDurationOn: 0.3,
    minDurationOff: 0.3,
  };
}

function printOf(vector: Float32Array, seconds: number): Voiceprint {
  const length = Math.hypot(...vector) || 1;
  return Float64Array.from([seconds, ...vector].map((value, index) => (index === 0 ? value : (value / length) * seconds)));
}

function cosine(a: Voiceprint, b: Voiceprint): number {
  let [product, squareA, squareB] = [0, 0, 0];
  for (let index = 1; index < a.length; index += 1) {
    product += a[index]! * b[index]!;
    squareA += a[index]! ** 2;
    squareB += b[index]! ** 2;
  }
  return squareA === 0 || squareB === 0 ? -1 : product / Math.sqrt(squareA * squareB);
}
