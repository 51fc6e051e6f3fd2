import type { TextOptions } from '../core/text-options.ts';
import type { Word } from '../core/transcript.ts';
import { bare, merged, trailing } from './token.ts';

type Spelling = NonNullable<TextOptions['spelling']>;

/** Writes what is heard in the ways asked for. Longer phrases win over shorter ones, earlier ones over later. */
export function spelledAs(spelling: Spelling): (words: readonly Word[]) => readonly Word[] {
  const phrases = spelling
    .flatMap(({ from, to }) => from.map((phrase) => ({ parts: phrase.split(/\s+/).map(bare).filter((part) => part !== ''), to })))
    .filter(({ parts }) => parts.length > 0)
    .toSorted((a, b) => b.parts.length - a.parts.length);
  return (words) => {
    const spoken = words.map((word) => bare(word.text));
    const out: Word[] = [];
    for (let index = 0; index < words.length; ) {
      const phrase = phrases.find(({ parts }) => parts.every((part, offset) => spoken[index + offset] === part));
      const run = words.slice(index, index + (phrase?.parts.length ?? 1));
      const [word] = run;
      if (phrase) out.push(merged(run, phrase.to + trailing(run.at(-1)?.text ?? '')));
      else if (word) out.push(word);
      index += run.length;
    }
    return out;
  };
}
