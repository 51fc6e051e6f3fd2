import type { Word } from '../core/transcript.ts';
import { spokenNumber, type SpokenNumber } from './spoken-numbers.ts';
import { bare, merged, trailing } from './token.ts';

/** Words after a number that are written as a sign, before or after it. */
const UNITS = new Map<string, (digits: string) => string>([
  ['percent', (digits) => `${digits}%`],
  ['dollar', (digits) => `$${digits}`],
  ['dollars', (digits) => `$${digits}`],
  ['euro', (digits) => `€${digits}`],
  ['euros', (digits) => `€${digits}`],
  ['pound', (digits) => `£${digits}`],
  ['pounds', (digits) => `£${digits}`],
]);

/**
 * Spoken numbers as digits: cardinals, ordinals, years, decimals, digits one by one; percent and money with their sign. A single
 * word below ten stays a word (`one of them`), unless a sign belongs to it; so does `second`. Numbers over 9999 get commas.
 */
export function withNumerals(words: readonly Word[]): readonly Word[] {
  const spoken = words.map((word) => bare(word.text));
  const out: Word[] = [];
  for (let index = 0; index < words.length; ) {
    const number = spokenNumber(unbroken(words, spoken, index));
    const taken = number && written(number, spoken[index + number.length]);
    const word = words[index];
    if (!taken || !word) {
      if (word) out.push(word);
      index += 1;
      continue;
    }
    const run = words.slice(index, index + taken.length);
    out.push(merged(run, taken.text + trailing(run.at(-1)?.text ?? '')));
    index += taken.length;
  }
  return out;
}

/** The words up to the next that punctuation follows: a number does not go on after a comma. */
function unbroken(words: readonly Word[], spoken: readonly string[], from: number): readonly string[] {
  const end = words.findIndex((word, index) => index >= from && trailing(word.text) !== '');
  return spoken.slice(from, end < 0 ? undefined : end + 1);
}

function written(number: SpokenNumber, next: string | undefined): { readonly text: string; readonly length: number } | undefined {
  const unit = number.ordinal === undefined ? UNITS.get(next ?? '') : undefined;
  if (unit) return { text: unit(withCommas(number)), length: number.length + 1 };
  const isSmall = number.length === 1 && number.digits.length === 1;
  if (isSmall) return undefined;
  return { text: withCommas(number) + (number.ordinal ?? ''), length: number.length };
}

function withCommas({ digits, isDigitString }: SpokenNumber): string {
  if (isDigitString || digits.includes('.') || digits.length < 5) return digits;
  return digits.replace(/\B(?=(\d{3})+$)/g, ',');
}
