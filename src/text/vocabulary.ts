import { doubleMetaphone } from 'double-metaphone';
import type { VocabularyTerm } from '../core/text-options.ts';
import type { Word } from '../core/transcript.ts';
import { bare, merged, trailing } from './token.ts';

interface Sought {
  readonly term: string;
  readonly sounds: readonly string[];
  readonly letters: string;
  readonly wordCount: number;
  readonly threshold: number;
}

/** How alike two sounds have to be (1: the same) at a boost of 0, and how much less for each further step of it. */
const THRESHOLD_AT_ZERO = 1;
const THRESHOLD_PER_BOOST = 0.09;
const LOWEST_THRESHOLD = 0.7;
/** Words that the engine doubts give way more easily. */
const DOUBT_BONUS = 0.08;
const DOUBTED_CONFIDENCE = 0.5;
/** Sounds alone are crude: so much of the letters has to agree too. */
const LEAST_LETTERS_ALIKE = 0.4;

/**
 * Puts terms that the speaker is expected to use where what was heard sounds like them, whatever the engine: sounds by double metaphone (L. Philips,
 * 2000), compared by edit distance. A term is looked for in stretches of up to one word more than it has.
 */
export function preferring(vocabulary: readonly VocabularyTerm[]): (words: readonly Word[]) => readonly Word[] {
  const sought = vocabulary.filter(({ term }) => bare(term) !== '').map(seek);
  return (words) => {
    const out: Word[] = [];
    for (let index = 0; index < words.length; ) {
      const match = bestMatch(sought, words, index);
      const run = words.slice(index, index + (match?.length ?? 1));
      const [word] = run;
      if (match) out.push(merged(run, match.term + trailing(run.at(-1)?.text ?? '')));
      else if (word) out.push(word);
      index += run.length;
    }
    return out;
  };
}

function seek({ term, boost }: VocabularyTerm): Sought {
  const letters = lettersOf(term.split(/\s+/));
  return {
    term,
    letters,
    sounds: soundsOf(letters),
    wordCount: term.trim().split(/\s+/).length,
    threshold: Math.max(LOWEST_THRESHOLD, THRESHOLD_AT_ZERO - THRESHOLD_PER_BOOST * boost),
  };
}

function bestMatch(sought: readonly Sought[], words: readonly Word[], at: number): { readonly term: string; readonly length: number } | undefined {
  let best: { term: string; length: number; likeness: number } | undefined;
  for (const each of sought) {
    for (let length = 1; length <= Math.min(each.wordCount + 1, words.length - at); length += 1) {
      const likeness = likenessOf(each, words.slice(at, at + length));
      if (likeness !== undefined && likeness > (best?.likeness ?? 0)) best = { term: each.term, length, likeness };
    }
  }
  return best;
}

/** Undefined where they are not alike enough. */
function likenessOf(sought: Sought, run: readonly Word[]): number | undefined {
  const letters = lettersOf(run.map((word) => word.text));
  if (letters === sought.letters) return 2;
  const confidences = run.flatMap((word) => word.confidence ?? []);
  const isDoubted = confidences.length > 0 && confidences.reduce((sum, value) => sum + value, 0) / confidences.length < DOUBTED_CONFIDENCE;
  const threshold = sought.threshold - (isDoubted ? DOUBT_BONUS : 0);
  const sounds = soundsOf(letters);
  const likeness = Math.max(...sought.sounds.flatMap((a) => sounds.map((b) => alike(a, b))));
  return likeness >= threshold && alike(letters, sought.letters) >= LEAST_LETTERS_ALIKE ? likeness : undefined;
}

const lettersOf = (words: readonly string[]): string => words.map(bare).join('').replace(/[^\p{L}\p{N}]/gu, '');
const soundsOf = (letters: string): readonly string[] => [...new Set(doubleMetaphone(letters))].filter((sound) => sound !== '');

/** 1 minus the edit distance (Levenshtein) over the longer length. */
function alike(a: string, b: string): number {
  const longer = Math.max(a.length, b.length);
  if (longer === 0) return 0;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, character] of Array.from(a).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(b).entries()) {
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (character === other ? 0 : 1)));
    }
    row = next;
  }
  return 1 - (row[b.length] ?? 0) / longer;
}
