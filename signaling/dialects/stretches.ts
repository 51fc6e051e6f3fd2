import { msToSamples } from '../../src/core/audio.ts';
import type { Word } from '../../src/core/transcript.ts';

const SENTENCE_PAUSE_SAMPLES = msToSamples(700);
const ENDS_SENTENCE = /[.?!。？！]["”]?$/u;

/** Cuts words wherever `between` says so; none of the runs is empty. */
export function cutWords(words: readonly Word[], between: (last: Word, next: Word) => boolean): Word[][] {
  const runs: Word[][] = [];
  for (const word of words) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run && last && !between(last, word)) run.push(word);
    else runs.push([word]);
  }
  return runs;
}

/** By their punctuation; where a model sets none, by pauses. */
export const sentences = (words: readonly Word[]): readonly (readonly Word[])[] =>
  cutWords(words, (last, next) => ENDS_SENTENCE.test(last.text) || next.startSample - last.endSample >= SENTENCE_PAUSE_SAMPLES);
