import { SAMPLE_RATE_HZ, samplesToSeconds } from '../core/audio.ts';
import { DETECTOR_WINDOW_SAMPLES, type SpeechDetector } from '../core/speech-detector.ts';
import { Fourier } from './embedded/fourier.ts';

/** What a reference must be, and what it is found to be. */
export interface ReferenceQuality {
  readonly speechSeconds: number;
  /** Share of the samples that are at the end of their range. */
  readonly clippedShare: number;
  /** Speech over what is between it; Infinity where there is digital silence. */
  readonly snrDb: number;
  /** Share of the power that lies above 4 kHz, where telephones have nothing. */
  readonly highShare: number;
}

const MIN_SPEECH_SECONDS = 5;
const MAX_SPEECH_SECONDS = 60;
const MAX_CLIPPED_SHARE = 0.001;
const MIN_SNR_DB = 15;
/** Speech sampled at 8 kHz has a hundred-thousandth of it at most. */
const MIN_HIGH_SHARE = 1e-5;
const CLIPPED_FROM = 32_700;
const HIGH_FROM_HZ = 4200;

/** Measures a recording (16 kHz). */
export function measureReference(samples: Int16Array, detector: SpeechDetector): ReferenceQuality {
  const fourier = new Fourier(DETECTOR_WINDOW_SAMPLES);
  const speech = { windows: 0, power: 0 };
  const rest: number[] = [];
  let [clipped, high, total] = [0, 0, 0];
  for (let start = 0; start + DETECTOR_WINDOW_SAMPLES <= samples.length; start += DETECTOR_WINDOW_SAMPLES) {
    const window = samples.slice(start, start + DETECTOR_WINDOW_SAMPLES);
    const power = window.reduce((sum, sample) => sum + sample * sample, 0) / DETECTOR_WINDOW_SAMPLES;
    clipped += window.reduce((count, sample) => count + (Math.abs(sample) >= CLIPPED_FROM ? 1 : 0), 0);
    if (!detector.isSpeech(window)) {
      rest.push(power);
      continue;
    }
    speech.windows += 1;
    speech.power += power;
    const band = powerAbove(window, fourier);
    high += band.high;
    total += band.total;
  }
  const speechPower = speech.windows === 0 ? 0 : speech.power / speech.windows;
  // The quieter half: a detector's edges have speech in them.
  const quiet = rest.toSorted((a, b) => a - b).slice(0, Math.ceil(rest.length / 2));
  const noisePower = quiet.reduce((sum, power) => sum + power, 0) / Math.max(1, quiet.length);
  return {
    speechSeconds: samplesToSeconds(speech.windows * DETECTOR_WINDOW_SAMPLES),
    clippedShare: clipped / Math.max(1, samples.length),
    snrDb: noisePower === 0 ? Infinity : 10 * Math.log10(Math.max(1e-9, speechPower - noisePower) / noisePower),
    highShare: total === 0 ? 0 : high / total,
  };
}

/** What is wrong with a reference, in a sentence for people; undefined where nothing is. `voices`: how many were told apart in it. */
export function faultOf(quality: ReferenceQuality, voices: number): string | undefined {
  const seconds = quality.speechSeconds.toFixed(1);
  if (quality.speechSeconds < MIN_SPEECH_SECONDS) return `The reference has ${seconds} s of speech; at least ${String(MIN_SPEECH_SECONDS)} s are needed.`;
  if (quality.speechSeconds > MAX_SPEECH_SECONDS) return `The reference has ${seconds} s of speech; at most ${String(MAX_SPEECH_SECONDS)} s are taken.`;
  if (quality.highShare < MIN_HIGH_SHARE) return 'The reference has nothing above 4 kHz: it must be sampled at 16 kHz or more.';
  if (quality.clippedShare > MAX_CLIPPED_SHARE) return 'The reference is clipped: record it at a lower level.';
  if (quality.snrDb < MIN_SNR_DB) return `The reference is noisy: speech is ${quality.snrDb.toFixed(0)} dB above the noise; ${String(MIN_SNR_DB)} dB are needed.`;
  if (voices > 1) return 'The reference has more than one voice in it.';
  if (voices === 0) return 'No voice could be made out in the reference.';
  return undefined;
}

function powerAbove(window: Int16Array, fourier: Fourier): { readonly high: number; readonly total: number } {
  const real = Float64Array.from(window, (sample, n) => sample * (0.5 - 0.5 * Math.cos((2 * Math.PI * (n + 0.5)) / window.length)));
  const imaginary = new Float64Array(window.length);
  fourier.transform(real, imaginary);
  let [high, total] = [0, 0];
  for (let bin = 1; bin < window.length / 2; bin += 1) {
    const power = real[bin]! ** 2 + imaginary[bin]! ** 2;
    total += power;
    if ((bin * SAMPLE_RATE_HZ) / window.length >= HIGH_FROM_HZ) high += power;
  }
  return { high, total };
}
