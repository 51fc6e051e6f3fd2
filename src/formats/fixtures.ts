import { msToSamples } from '../core/audio.ts';
import type { Transcript } from '../core/session/transcribe.ts';
import { textOf, type Utterance, type Word } from '../core/transcript.ts';

/** Words that follow each other, each of `wordMs`. */
export function spoken(text: string, options: { readonly startMs?: number; readonly wordMs?: number; readonly laneIndex?: number; readonly id?: string } = {}): Utterance {
  const { startMs = 0, wordMs = 300, laneIndex = 0, id = `L${String(laneIndex)}-U0` } = options;
  const words = text.split(' ').map((each, index): Word => {
    const startSample = msToSamples(startMs + index * wordMs);
    return { text: each, startSample, endSample: startSample + msToSamples(wordMs), confidence: 0.87654 };
  });
  return { id, laneIndex, text: textOf(words), words, startSample: words[0]!.startSample, endSample: words.at(-1)!.endSample, stableWords: words.length };
}

export const transcriptOf = (...utterances: readonly Utterance[]): Transcript => ({ utterances, backend: 'A', durationMs: 60_000 });
