import { setImmediate as turn } from 'node:timers/promises';
import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';

/** Where two recordings of the same sound meet. */
export interface Seam {
  /** Sample of the replay that follows the last one of what was heard. */
  readonly at: number;
  /** How alike they are before it: 1 is the same but for loudness. */
  readonly likeness: number;
  /** How alike the likeliest other place is, 50 ms and more away. */
  readonly rival: number;
}

/** The stretch of what was heard that is looked for. */
const TEMPLATE_SAMPLES = 1.5 * SAMPLE_RATE_HZ;
const LEAST_TEMPLATE_SAMPLES = 0.25 * SAMPLE_RATE_HZ;
const TEMPLATE_STEP_SAMPLES = 0.25 * SAMPLE_RATE_HZ;
/** Samples in one of the coarse search, which hears up to 1 kHz. */
const COARSE = 8;
/** Lags that are tried in one turn of the event loop: a millisecond or two. */
const LAGS_PER_TURN = 400;
/** Nearer than this the same sound is like itself: it is some periods of a voice. */
const APART_SAMPLES = 0.05 * SAMPLE_RATE_HZ;
/** Mean square of what is silence: nothing can be found by it. */
const LEAST_POWER = 30 ** 2;

/**
 * Finds the end of `heard` in `replay`, which is the same sound, recorded before its way through a codec and begun earlier, and goes on behind it.
 * Both mono at 16 kHz. Answers the likeliest place, undefined where `heard` is silent or does not fit in.
 *
 *   heard     ......[template]....|
 *   replay       ......[template]....|at..........
 */
export async function findSeam(heard: Int16Array, replay: Int16Array): Promise<Seam | undefined> {
  const template = tellingPart(heard);
  if (!template || replay.length < template.samples.length) return undefined;
  const coarse = await likenesses(averaged(template.samples), averaged(replay));
  const coarseLag = likeliest(coarse);
  const near = coarseLag * COARSE;
  // All that likenesses is given is of one kind: with several its inner loop takes twice as long.
  const first = Math.max(0, near - 2 * COARSE);
  const around = Float32Array.from(replay.subarray(first, near + 2 * COARSE + template.samples.length));
  const fine = await likenesses(Float32Array.from(template.samples), around);
  const lag = likeliest(fine);
  const at = first + lag + heard.length - template.start;
  const apart = APART_SAMPLES / COARSE;
  const rival = Math.max(0, ...[coarse.subarray(0, Math.max(0, coarseLag - apart)), coarse.subarray(coarseLag + apart + 1)].map((others) => others[likeliest(others)] ?? 0));
  return at > replay.length ? undefined : { at, likeness: fine[lag] ?? 0, rival };
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

/** Normalised cross-correlation at every lag at which the template, the shorter of the two, fits in. */
async function likenesses(template: Float32Array, sound: Float32Array): Promise<Float32Array> {
  const { length } = template;
  const templateEnergy = energyOf(template);
  let energy = energyOf(sound, 0, length);
  const out = new Float32Array(Math.max(0, sound.length - length + 1));
  for (let lag = 0; lag < out.length; lag += 1) {
    if (lag % LAGS_PER_TURN === LAGS_PER_TURN - 1) await turn();
    let product = 0;
    for (let index = 0; index < length; index += 1) product += template[index]! * sound[lag + index]!;
    out[lag] = product / Math.sqrt(templateEnergy * Math.max(1, energy));
    energy += (sound[lag + length] ?? 0) ** 2 - sound[lag]! ** 2;
  }
  return out;
}

/** The lag of the greatest. */
function likeliest(likeness: Float32Array): number {
  let best = 0;
  for (let lag = 1; lag < likeness.length; lag += 1) if (likeness[lag]! > likeness[best]!) best = lag;
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
