import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import { Fourier } from './fourier.ts';

/** What is kept of a frame of voiced speech: how the vocal tract shapes it, and how high it is spoken. */
export interface VoicedFrame {
  /** First sample of the frame. */
  readonly startSample: number;
  /** {@link FEATURES} numbers: mel cepstrum without its zeroth coefficient, then the logarithm of the pitch in hertz. */
  readonly features: Float64Array;
}

const CEPSTRA = 12;
export const FEATURES = CEPSTRA + 1;

const FRAME_SAMPLES = 512;
export const HOP_SAMPLES = 160;
const FFT_SIZE = 1024;
const MEL_FILTERS = 26;
/** The band that telephones carry too, so that a voice is the same on both. */
const LOW_HZ = 120;
const HIGH_HZ = 3700;
const MIN_PITCH_HZ = 65;
const MAX_PITCH_HZ = 400;
/** Height of the autocorrelation peak from which a frame counts as voiced (Boersma 1993 takes 0.45). */
const MIN_PERIODICITY = 0.5;
/** Frames this much quieter than the loud ones of the same stretch carry more room than voice. */
const MAX_BELOW_LOUD_DB = 25;

const fourier = new Fourier(FFT_SIZE);
const window = Float64Array.from({ length: FRAME_SAMPLES }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (n + 0.5)) / FRAME_SAMPLES));
const windowAutocorrelation = autocorrelationOf(powerSpectrum(window));
const melBank = triangles();
const cosines = Array.from({ length: CEPSTRA }, (_, k) =>
  Float64Array.from({ length: MEL_FILTERS }, (__, m) => Math.sqrt(2 / MEL_FILTERS) * Math.cos((Math.PI * (k + 1) * (m + 0.5)) / MEL_FILTERS)),
);

/** The voiced frames of a stretch of speech, 100 per second at most. */
export function voicedFrames(samples: Int16Array): VoicedFrame[] {
  const heard: (VoicedFrame & { readonly energy: number })[] = [];
  const frame = new Float64Array(FRAME_SAMPLES);
  for (let start = 0; start + FRAME_SAMPLES <= samples.length; start += HOP_SAMPLES) {
    let energy = 0;
    for (let n = 0; n < FRAME_SAMPLES; n += 1) {
      frame[n] = samples[start + n]! * window[n]!;
      energy += frame[n]! ** 2;
    }
    if (energy < FRAME_SAMPLES) continue;
    const power = powerSpectrum(frame);
    const pitchHz = pitchOf(autocorrelationOf(power));
    if (pitchHz !== undefined) heard.push({ startSample: start, energy, features: featuresOf(power, pitchHz) });
  }
  const loud = heard.map(({ energy }) => energy).toSorted((a, b) => a - b)[Math.floor(heard.length * 0.9)] ?? 0;
  return heard.filter(({ energy }) => energy > loud * 10 ** (-MAX_BELOW_LOUD_DB / 10));
}

function powerSpectrum(frame: Float64Array): Float64Array {
  const real = new Float64Array(FFT_SIZE);
  const imaginary = new Float64Array(FFT_SIZE);
  real.set(frame);
  fourier.transform(real, imaginary);
  for (let k = 0; k < FFT_SIZE; k += 1) real[k] = real[k]! ** 2 + imaginary[k]! ** 2;
  return real;
}

/** By Wiener and Khinchin: the transform of the power spectrum. Normalized to 1 at lag 0. */
function autocorrelationOf(power: Float64Array): Float64Array {
  const real = power.slice();
  fourier.transform(real, new Float64Array(FFT_SIZE));
  const first = real[0]!;
  return real.map((value) => value / first);
}

/** Highest peak of the autocorrelation, freed of the window's own (Boersma 1993); undefined where it is too low. */
function pitchOf(autocorrelation: Float64Array): number | undefined {
  const at = (lag: number): number => autocorrelation[lag]! / windowAutocorrelation[lag]!;
  let best = 0;
  let bestLag = 0;
  for (let lag = Math.ceil(SAMPLE_RATE_HZ / MAX_PITCH_HZ); lag <= SAMPLE_RATE_HZ / MIN_PITCH_HZ; lag += 1) {
    const here = at(lag);
    // Of peaks nearly alike the earlier one is the pitch, the later ones its multiples.
    if (here > best * 1.1 && here >= at(lag - 1) && here >= at(lag + 1)) [best, bestLag] = [here, lag];
  }
  return best >= MIN_PERIODICITY ? SAMPLE_RATE_HZ / bestLag : undefined;
}

function featuresOf(power: Float64Array, pitchHz: number): Float64Array {
  const logMel = melBank.map(({ firstBin, weights }) => {
    let sum = 1;
    for (let k = 0; k < weights.length; k += 1) sum += weights[k]! * power[firstBin + k]!;
    return Math.log(sum);
  });
  const features = new Float64Array(FEATURES);
  for (const [k, cosine] of cosines.entries()) {
    let sum = 0;
    for (let m = 0; m < MEL_FILTERS; m += 1) sum += cosine[m]! * logMel[m]!;
    features[k] = sum;
  }
  features[CEPSTRA] = Math.log(pitchHz);
  return features;
}

function triangles(): { readonly firstBin: number; readonly weights: Float64Array }[] {
  const mel = (hz: number): number => 1127 * Math.log(1 + hz / 700);
  const hz = (value: number): number => 700 * (Math.exp(value / 1127) - 1);
  const step = (mel(HIGH_HZ) - mel(LOW_HZ)) / (MEL_FILTERS + 1);
  const edges = Array.from({ length: MEL_FILTERS + 2 }, (_, index) => (hz(mel(LOW_HZ) + index * step) * FFT_SIZE) / SAMPLE_RATE_HZ);
  return Array.from({ length: MEL_FILTERS }, (_, m) => {
    const [low, peak, high] = [edges[m]!, edges[m + 1]!, edges[m + 2]!];
    const firstBin = Math.ceil(low);
    const weights = Float64Array.from({ length: Math.floor(high) - firstBin + 1 }, (__, k) =>
      Math.max(0, Math.min((firstBin + k - low) / (peak - low), (high - firstBin - k) / (high - peak))),
    );
    return { firstBin, weights };
  });
}
