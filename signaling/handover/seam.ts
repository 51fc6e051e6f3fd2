import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';

/** Where two recordings of the same sound meet. */
export interface Seam {
  /** Sample of the replay that follows the last one of what was heard. */
  readonly at: number;
  /** How alike they are before it: 1 is the same but for loudness. */
  readonly likeness: number;
}

/** The stretch of what was heard that is looked for. */
const TEMPLATE_SAMPLES = 1.5 * SAMPLE_RATE_HZ;
const LEAST_TEMPLATE_SAMPLES = 0.25 * SAMPLE_RATE_HZ;
const TEMPLATE_STEP_SAMPLES = 0.25 * SAMPLE_RATE_HZ;
/** Samples in one of the coarse search, which hears up to 1 kHz. */
const COARSE = 8;
/** Mean square of what is silence: nothing can be found by it. */
const LEAST_POWER = 30 ** 2;

/**
 * Finds the end of `heard` in `replay`, which is the same sound, recorded before its way through a codec and begun earlier, and goes on behind it.
 * Both mono at 16 kHz. Answers the likeliest place, undefined where `heard` is silent or does not fit in. Pure.
 *
 *   heard     ......[template]....|
 *   replay       ......[template]....|at..........
 */
export function findSeam(heard: Int16Array, replay: Int16Array): Seam | undefined {
  const template = tellingPart(heard);
  if (!template || replay.length < template.samples.length) return undefined;
  const coarse = bestLag(averaged(template.samples), averaged(replay), 0, Infinity);
  if (!coarse) return undefined;
  const near = coarse.lag * COARSE;
  const fine = bestLag(template.samples, replay, near - 2 * COARSE, near + 2 * COARSE);
  if (!fine) return undefined;
  const at = fine.lag + heard.length - template.start;
  return at > replay.length ? undefined : { at, likeness: fine.likeness };
}

/** It has sound by which it can be found. Pure. */
export const isTelling = (heard: Int16Array): boolean => tellingPart(heard) !== undefined;

/** Where this begins not to be silence, a little before rather than after; its length where it is nothing else. Pure. */
export function silenceBefore(sound: Int16Array): number {
  const step = TEMPLATE_STEP_SAMPLES;
  for (let start = 0; start < sound.length; start += step) {
    const end = Math.min(sound.length, start + step);
    if (energyOf(sound, start, end) / (end - start) >= LEAST_POWER) return Math.max(0, start - step);
  }
  return sound.length;
}

/** The last stretch that is not much softer than the loudest: the later, the surer the replay has it. */
function tellingPart(heard: Int16Array): { readonly start: number; readonly samples: Int16Array } | undefined {
  const length = Math.min(TEMPLATE_SAMPLES, heard.length);
  if (length < LEAST_TEMPLATE_SAMPLES) return undefined;
  const stretches: { readonly start: number; readonly power: number }[] = [];
  for (let start = heard.length - length; start >= 0; start -= TEMPLATE_STEP_SAMPLES) {
    stretches.push({ start, power: energyOf(heard, start, start + length) / length });
  }
  const enough = Math.max(LEAST_POWER, Math.max(...stretches.map(({ power }) => power)) / 4);
  const last = stretches.find(({ power }) => power >= enough);
  return last && { start: last.start, samples: heard.subarray(last.start, last.start + length) };
}

/** Normalised cross-correlation at lags from `first` to `last`, as far as the template fits in. */
function bestLag(template: ArrayLike<number>, sound: ArrayLike<number>, first: number, last: number): { readonly lag: number; readonly likeness: number } | undefined {
  const { length } = template;
  const from = Math.max(0, first);
  const to = Math.min(last, sound.length - length);
  if (from > to) return undefined;
  const templateEnergy = energyOf(template);
  let energy = energyOf(sound, from, from + length);
  let best = { lag: from, likeness: -1 };
  for (let lag = from; lag <= to; lag += 1) {
    let product = 0;
    for (let index = 0; index < length; index += 1) product += template[index]! * sound[lag + index]!;
    const likeness = product / Math.sqrt(templateEnergy * Math.max(1, energy));
    if (likeness > best.likeness) best = { lag, likeness };
    energy += (sound[lag + length] ?? 0) ** 2 - sound[lag]! ** 2;
  }
  return best;
}

function energyOf(samples: ArrayLike<number>, from = 0, to = samples.length): number {
  let sum = 0;
  for (let index = from; index < to; index += 1) sum += samples[index]! ** 2;
  return sum;
}

function averaged(samples: Int16Array): Float32Array {
  const out = new Float32Array(Math.floor(samples.length / COARSE));
  for (let index = 0; index < out.length; index += 1) {
    let sum = 0;
    for (let each = 0; each < COARSE; each += 1) sum += samples[index * COARSE + each]!;
    out[index] = sum / COARSE;
  }
  return out;
}
