import { SAMPLE_RATE_HZ } from '../../core/audio.ts';

/** A throat and a mouth: pitch and vowel resonances, in hertz. */
export interface TestVoice {
  readonly pitchHz: number;
  /** 1 is a grown man's; shorter mouths resonate higher. */
  readonly mouth: number;
}

export const LOW: TestVoice = { pitchHz: 105, mouth: 1 };
export const HIGH: TestVoice = { pitchHz: 210, mouth: 1.18 };
export const MIDDLE: TestVoice = { pitchHz: 150, mouth: 1.08 };

/** First three resonances of vowels (Peterson and Barney, 1952). */
const VOWELS = [
  [270, 2290, 3010],
  [530, 1840, 2480],
  [730, 1090, 2440],
  [570, 840, 2410],
  [300, 870, 2240],
  [640, 1190, 2390],
] as const;
const SYLLABLE_SECONDS = 0.16;
const BANDWIDTH_HZ = 90;

/** Vowels in a row, spoken by pulses through resonators; deterministic. `seed` chooses which vowels. */
export function babble(voice: TestVoice, seconds: number, seed = 1): Int16Array {
  const samples = new Float64Array(Math.round(seconds * SAMPLE_RATE_HZ));
  const random = randomFrom(seed);
  let phase = 0;
  for (let start = 0; start < samples.length; start += SYLLABLE_SECONDS * SAMPLE_RATE_HZ) {
    const vowel = VOWELS[Math.floor(random() * VOWELS.length)]!;
    const pitchHz = voice.pitchHz * (0.94 + 0.12 * random());
    const end = Math.min(samples.length, start + SYLLABLE_SECONDS * SAMPLE_RATE_HZ);
    for (let at = Math.round(start); at < end; at += 1) {
      phase += pitchHz / SAMPLE_RATE_HZ;
      if (phase >= 1) phase -= 1;
      samples[at] = (phase < pitchHz / SAMPLE_RATE_HZ ? 1 : 0) + (random() - 0.5) * 0.01;
    }
    for (const hz of vowel) resonate(samples, Math.round(start), end, hz * voice.mouth);
  }
  const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  // A breath over all of it, as above 4 kHz no resonator leaves anything.
  return Int16Array.from(samples, (value) => (value / peak) * 12_000 + (random() - 0.5) * 60);
}

/** A two-pole resonator, in place. */
function resonate(samples: Float64Array, start: number, end: number, hz: number): void {
  const radius = Math.exp((-Math.PI * BANDWIDTH_HZ) / SAMPLE_RATE_HZ);
  const feedback = 2 * radius * Math.cos((2 * Math.PI * hz) / SAMPLE_RATE_HZ);
  let [one, two] = [0, 0];
  for (let at = start; at < end; at += 1) {
    const value = samples[at]! * (1 - radius) + feedback * one - radius * radius * two;
    samples[at] = value;
    [one, two] = [value, one];
  }
}

/** A linear congruential generator: 0 to 1. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
