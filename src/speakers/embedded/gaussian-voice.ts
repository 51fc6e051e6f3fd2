import type { HeardVoice, VoiceMeasure, Voiceprint } from '../voice.ts';
import { phrasesOf } from './phrases.ts';
import { FEATURES, HOP_SAMPLES, type VoicedFrame, voicedFrames } from './voiced-frames.ts';
import { SAMPLE_RATE_HZ } from '../../core/audio.ts';

/** Count, sums, and the lower triangle of the sums of products, row by row. */
const SUMS = 1;
const PRODUCTS = SUMS + FEATURES;
const PRINT_LENGTH = PRODUCTS + (FEATURES * (FEATURES + 1)) / 2;

/** Added to the variances, as a share: few frames underestimate them. */
const RIDGE = 0.1;
/** Part of the difference between two stretches of one voice that more frames do not take away. */
const SESSION_VARIANCE = 0.03;
/** Difference at which as many pairs of one voice lie above as pairs of two voices below; measured by `npm run bench:speakers`. */
const LIMIT = 100;

/**
 * The embedded engine: a voice is the mean and the covariance of its voiced frames (Gish and Schmidt, 1994). Two voices differ by
 * Hotelling's T-squared: the distance of their means in units of how much one voice varies by itself. It needs no training data and no model.
 */
export const gaussianVoice: VoiceMeasure = {
  id: 'gaussian-1',
  merge: (a, b) => a.map((value, index) => value + b[index]!),
  difference,
  speechSeconds: (print) => ((print[0] ?? 0) * HOP_SAMPLES) / SAMPLE_RATE_HZ,
};

/** The voices in a stretch of speech, phrase by phrase. Positions are samples of the stretch. */
export function hearVoices(samples: Int16Array): HeardVoice[] {
  return phrasesOf(voicedFrames(samples)).map(({ startSample, endSample, frames }) => ({ startSample, endSample, print: printOf(frames) }));
}

export function printOf(frames: readonly VoicedFrame[]): Voiceprint {
  const print = new Float64Array(PRINT_LENGTH);
  print[0] = frames.length;
  for (const { features } of frames) {
    let at = PRODUCTS;
    for (let row = 0; row < FEATURES; row += 1) {
      const value = features[row]!;
      print[SUMS + row]! += value;
      for (let column = 0; column <= row; column += 1) {
        print[at]! += value * features[column]!;
        at += 1;
      }
    }
  }
  return print;
}

function difference(a: Voiceprint, b: Voiceprint): number {
  const [countA, countB] = [a[0]!, b[0]!];
  if (countA + countB <= FEATURES) return Infinity;
  const distance = Float64Array.from({ length: FEATURES }, (_, row) => a[SUMS + row]! / countA - b[SUMS + row]! / countB);
  return squaredNorm(distance, pooledCovariance(a, b)) / (SESSION_VARIANCE + 1 / countA + 1 / countB) / LIMIT;
}

/** How far frames lie from their own voice's mean, over both. Lower triangle, row by row. */
function pooledCovariance(a: Voiceprint, b: Voiceprint): Float64Array {
  const count = a[0]! + b[0]!;
  const covariance = new Float64Array(PRINT_LENGTH - PRODUCTS);
  let at = 0;
  for (let row = 0; row < FEATURES; row += 1) {
    for (let column = 0; column <= row; column += 1) {
      const within = (print: Voiceprint): number => print[PRODUCTS + at]! - (print[SUMS + row]! * print[SUMS + column]!) / print[0]!;
      covariance[at] = (within(a) + within(b)) / count;
      if (row === column) covariance[at] = covariance[at]! * (1 + RIDGE) + 1e-6;
      at += 1;
    }
  }
  return covariance;
}

/** `x' C^-1 x` by Cholesky's decomposition: `C = L L'`, `L y = x`, `y' y`. */
function squaredNorm(x: Float64Array, covariance: Float64Array): number {
  const lower = covariance.slice();
  const y = x.slice();
  let norm = 0;
  for (let row = 0; row < FEATURES; row += 1) {
    const atRow = (row * (row + 1)) / 2;
    for (let column = 0; column <= row; column += 1) {
      const atColumn = (column * (column + 1)) / 2;
      let value = lower[atRow + column]!;
      for (let k = 0; k < column; k += 1) value -= lower[atRow + k]! * lower[atColumn + k]!;
      lower[atRow + column] = column === row ? Math.sqrt(Math.max(value, 1e-9)) : value / lower[atColumn + column]!;
    }
    let value = y[row]!;
    for (let k = 0; k < row; k += 1) value -= lower[atRow + k]! * y[k]!;
    y[row] = value / lower[atRow + row]!;
    norm += y[row]! ** 2;
  }
  return norm;
}
