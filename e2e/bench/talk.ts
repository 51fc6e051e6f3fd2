import { readFile } from 'node:fs/promises';
import { randomNumbers } from '../random.ts';
import { synthesize, type Voice } from '../speech.ts';

export const SAMPLES_PER_MS = 16;

/** What somebody says between two pauses that are long enough to end an utterance. Times in ms from the talk's start. */
export interface SpokenUtterance {
  readonly text: string;
  readonly startMs: number;
  /** Where its last sound fades. */
  readonly endMs: number;
}

/** Known speech with natural pauses, as one speaker's microphone would give it. */
export interface Talk {
  /** 16 kHz mono. */
  readonly samples: Int16Array;
  readonly utterances: readonly SpokenUtterance[];
  /** Share of the time in which somebody speaks. */
  readonly speechShare: number;
}

interface Sentence {
  readonly text: string;
  readonly samples: Int16Array;
}

/** Sentences of ordinary words. */
export const TEXTS = [
  'the weather is fine today and we are going to walk along the river',
  'please open the window because the room is getting very warm',
  'she told me that the train will arrive at seven in the morning',
  'we want to know how many people work in this building',
  'my brother has a new job in the city and he is very happy there',
  'the children were playing in the garden when it began to rain',
  'the meeting will begin at nine on the second floor of the main building',
  'please remember to close all the doors before you leave the house tonight',
  'i would like to have a cup of coffee and a piece of bread with butter',
  'they have been living in this small town for more than twenty years',
  'the teacher asked the students to read the first chapter of the book',
  'it takes about an hour to drive from the airport to the hotel',
];
export const VOICES: readonly Voice[] = ['slt', 'rms'];

const INNER_PAUSE_MS = 400;
const MIN_PAUSE_MS = 950;
const PAUSE_RANGE_MS = 400;
/** Quieter than this share of a sentence's peak is silence. */
const FADED_SHARE = 0.006;
const ROOM_NOISE_PEAK = 12;

/** Sentences of both voices, cut to their sound. */
export async function loadSentences(): Promise<ReadonlyMap<Voice, readonly Sentence[]>> {
  const voices = new Map<Voice, Sentence[]>();
  for (const voice of VOICES) {
    const sentences: Sentence[] = [];
    for (const text of TEXTS) sentences.push({ text, samples: trim(readWav(await readFile(await synthesize(text, voice)))) });
    voices.set(voice, sentences);
  }
  return voices;
}

/** Always the same talk for the same `seed`; no two seeds say the same at the same time. Utterances are one or two sentences. */
export function makeTalk(sentences: ReadonlyMap<Voice, readonly Sentence[]>, seed: number, lengthMs: number): Talk {
  const random = randomNumbers(seed);
  const mine = sentences.get(VOICES[seed % VOICES.length]!) ?? [];
  const samples = new Int16Array(lengthMs * SAMPLES_PER_MS);
  for (let i = 0; i < samples.length; i += 1) samples[i] = Math.round((random() * 2 - 1) * ROOM_NOISE_PEAK);
  const utterances: SpokenUtterance[] = [];
  let spokenSamples = 0;
  let position = Math.round((300 + random() * 700) * SAMPLES_PER_MS);
  for (;;) {
    const said = Array.from({ length: random() < 0.5 ? 1 : 2 }, () => mine[Math.floor(random() * mine.length)]!);
    const innerPause = INNER_PAUSE_MS * SAMPLES_PER_MS;
    const length = said.reduce((sum, sentence) => sum + sentence.samples.length, (said.length - 1) * innerPause);
    if (position + length > samples.length) break;
    const startMs = position / SAMPLES_PER_MS;
    for (const sentence of said) {
      mix(samples, sentence.samples, position);
      spokenSamples += sentence.samples.length;
      position += sentence.samples.length + innerPause;
    }
    position -= innerPause;
    utterances.push({ text: said.map(({ text }) => text).join(' '), startMs, endMs: position / SAMPLES_PER_MS });
    position += Math.round((MIN_PAUSE_MS + random() * PAUSE_RANGE_MS) * SAMPLES_PER_MS);
  }
  return { samples, utterances, speechShare: spokenSamples / samples.length };
}

function mix(target: Int16Array, source: Int16Array, at: number): void {
  for (const [i, sample] of source.entries()) target[at + i] = Math.max(-32768, Math.min(32767, target[at + i]! + sample));
}

function trim(samples: Int16Array): Int16Array {
  const floor = samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0) * FADED_SHARE;
  const isSound = (sample: number): boolean => Math.abs(sample) > floor;
  return samples.slice(samples.findIndex(isSound), samples.findLastIndex(isSound) + 1);
}

/** Samples of a WAV file of 16-bit mono. */
function readWav(file: Buffer): Int16Array {
  let offset = 12;
  while (file.toString('latin1', offset, offset + 4) !== 'data') offset += 8 + file.readUInt32LE(offset + 4);
  const bytes = file.subarray(offset + 8, offset + 8 + file.readUInt32LE(offset + 4));
  return Int16Array.from({ length: bytes.length >> 1 }, (_, i) => bytes.readInt16LE(i * 2));
}
