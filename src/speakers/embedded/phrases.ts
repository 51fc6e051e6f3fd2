import { msToSamples } from '../../core/audio.ts';
import { HOP_SAMPLES, type VoicedFrame } from './voiced-frames.ts';

/** Voiced frames between two pauses: speakers change in pauses. */
export interface Phrase {
  readonly startSample: number;
  readonly endSample: number;
  readonly frames: readonly VoicedFrame[];
}

/** A pause without voice this long ends a phrase; between voiced sounds of a word there are up to some 150 ms. */
const PAUSE_SAMPLES = msToSamples(240);
/** A longer phrase is halved at its longest pause, because somebody may have fallen in. */
const MAX_PHRASE_SAMPLES = msToSamples(3000);

/** Cuts a stretch of speech into phrases, at its pauses. */
export function phrasesOf(frames: readonly VoicedFrame[]): Phrase[] {
  const phrases: VoicedFrame[][] = [];
  for (const frame of frames) {
    const present = phrases.at(-1);
    const last = present?.at(-1);
    if (present && last && frame.startSample - last.startSample < PAUSE_SAMPLES) present.push(frame);
    else phrases.push([frame]);
  }
  return phrases.flatMap(halved).map((own) => ({ startSample: own[0]!.startSample, endSample: own.at(-1)!.startSample + HOP_SAMPLES, frames: own }));
}

function halved(frames: VoicedFrame[]): VoicedFrame[][] {
  const startSample = frames[0]!.startSample;
  const lengthSamples = frames.at(-1)!.startSample - startSample;
  if (lengthSamples <= MAX_PHRASE_SAMPLES) return [frames];
  let cut = 0;
  let longestSamples = 0;
  for (let index = 1; index < frames.length; index += 1) {
    const share = (frames[index]!.startSample - startSample) / lengthSamples;
    const pauseSamples = frames[index]!.startSample - frames[index - 1]!.startSample;
    if (share > 0.25 && share < 0.75 && pauseSamples > longestSamples) [cut, longestSamples] = [index, pauseSamples];
  }
  if (cut === 0) return [frames];
  return [...halved(frames.slice(0, cut)), ...halved(frames.slice(cut))];
}
