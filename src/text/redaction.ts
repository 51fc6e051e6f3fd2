import type { Redaction } from '../core/text-options.ts';
import type { Word } from '../core/transcript.ts';
import { spokenNumber } from './spoken-numbers.ts';
import { bare, merged } from './token.ts';

/** What a stretch of words gives away. */
type EntityKind = 'none' | 'ACCOUNTNUMBER' | 'SSN' | 'PHONENUMBER' | 'EMAIL' | 'FIRSTNAME' | 'LASTNAME' | 'NUMBER';

interface Entity {
  readonly kind: EntityKind;
  readonly length: number;
  /** The same for the same entity, however it was said. */
  readonly value: string;
}

const TOP_LEVEL_DOMAINS = new Set(['com', 'org', 'net', 'edu', 'gov', 'io', 'de', 'uk', 'fr', 'eu', 'info']);
/** Ways to say one's name; the words after them are one. */
const NAME_CUES = [
  ['my', 'name', 'is'],
  ["my", "name's"],
  ['name', 'is'],
  ['call', 'me'],
  ['this', 'is', 'mister'],
  ['this', 'is', 'missus'],
];
const NOT_NAMES = new Set(['a', 'an', 'the', 'not', 'and', 'on', 'in', 'at', 'it', 'that', 'when', 'if', 'back', 'later', 'tomorrow', 'is', 'very', 'so', 'too', 'just', 'as', 'to', 'from', 'because', 'but', 'or']);

/**
 * Blacks out what is found by its form: card numbers (13 to 19 digits with a right check digit), social security numbers (nine digits),
 * telephone numbers (7 to 15 digits), spoken and written mail addresses, names after "my name is", or every number. Each distinct entity gets a
 * number of its own over the whole conversation: `[PHONENUMBER_1]`. A name that nobody introduces is not found.
 */
export class Redactor {
  readonly #kinds: ReadonlySet<Redaction>;
  readonly #numbers = new Map<string, number>();

  constructor(kinds: readonly Redaction[]) {
    this.#kinds = new Set(kinds);
  }

  /** In an interim, whose numbers may still grow into one of these, every run of digits is blacked out. */
  redact(words: readonly Word[], isFinal: boolean): readonly Word[] {
    const spoken = words.map((word) => bare(word.text));
    const out: Word[] = [];
    for (let index = 0; index < words.length; ) {
      const entity = this.#entityAt(spoken, index, isFinal);
      const run = words.slice(index, index + (entity?.length ?? 1));
      if (entity && entity.kind !== 'none') out.push(merged(run, isFinal ? this.#label(entity) : `[${entity.kind}]`));
      else out.push(...run);
      index += run.length;
    }
    return out;
  }

  #entityAt(spoken: readonly string[], at: number, isFinal: boolean): Entity | undefined {
    const pii = this.#kinds.has('pii');
    if (pii) {
      const found = mailAddress(spoken, at) ?? nameAt(spoken, at);
      if (found) return found;
    }
    const number = digitRun(spoken, at);
    if (!number) return undefined;
    const { digits, length } = number;
    if (!isFinal && digits.length > 1) return { kind: 'NUMBER', length, value: digits };
    if (this.#kinds.has('pci') && digits.length >= 13 && digits.length <= 19 && hasCheckDigit(digits)) return { kind: 'ACCOUNTNUMBER', length, value: digits };
    if ((pii || this.#kinds.has('ssn')) && digits.length === 9) return { kind: 'SSN', length, value: digits };
    if (pii && digits.length >= 7 && digits.length <= 15) return { kind: 'PHONENUMBER', length, value: digits };
    // A part of a run of digits is nothing that was said.
    return { kind: this.#kinds.has('numbers') ? 'NUMBER' : 'none', length, value: digits };
  }

  #label({ kind, value }: Entity): string {
    const key = `${kind} ${value}`;
    const sameKind = [...this.#numbers.keys()].filter((each) => each.startsWith(`${kind} `)).length;
    const number = this.#numbers.get(key) ?? sameKind + 1;
    this.#numbers.set(key, number);
    return `[${kind}_${String(number)}]`;
  }
}

/** All numbers that follow each other, as people group them: `four one five, five five five, twelve thirty four`. */
function digitRun(spoken: readonly string[], at: number): { readonly digits: string; readonly length: number } | undefined {
  let digits = '';
  let length = 0;
  for (;;) {
    const next = spoken[at + length];
    const written = next === undefined ? undefined : /^\+?[\d().-]*\d[\d().-]*$/.exec(next)?.[0].replace(/\D/g, '');
    const number = written === undefined ? spokenNumber(spoken.slice(at + length)) : { digits: written, length: 1, ordinal: undefined };
    if (!number || number.ordinal !== undefined || number.digits.includes('.')) break;
    digits += number.digits;
    length += number.length;
  }
  return length === 0 ? undefined : { digits, length };
}

/** Luhn's formula (ISO/IEC 7812-1, annex B). */
function hasCheckDigit(digits: string): boolean {
  const sum = Array.from(digits).reverse().reduce((total, digit, index) => {
    const value = Number(digit) * (index % 2 === 1 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

/** `jane@example.com`, or `jane dot doe at example dot com`. */
function mailAddress(spoken: readonly string[], at: number): Entity | undefined {
  if (/^[^@\s]+@[^@\s]+\.\w+$/.test(spoken[at] ?? '')) return { kind: 'EMAIL', length: 1, value: spoken[at] ?? '' };
  const end = spoken.findIndex((word, index) => index > at + 2 && index < at + 12 && spoken[index - 1] === 'dot' && TOP_LEVEL_DOMAINS.has(word));
  if (end < 0) return undefined;
  const run = spoken.slice(at, end + 1);
  const middle = run.indexOf('at');
  const joins = new Set(['dot', 'underscore', 'dash', 'hyphen']);
  // Before the "at" single words joined by dots; a sentence that leads up to an address is none of it.
  const local = run.slice(0, middle);
  const isLocal = middle > 0 && local.every((word, index) => (index % 2 === 1) === joins.has(word)) && local.length % 2 === 1;
  const isDomain = run.slice(middle + 1).every((word, index) => (index % 2 === 1) === (word === 'dot'));
  return isLocal && isDomain ? { kind: 'EMAIL', length: run.length, value: run.join(' ') } : undefined;
}

function nameAt(spoken: readonly string[], at: number): Entity | undefined {
  const cued = (index: number): boolean => NAME_CUES.some((cue) => cue.every((word, offset) => spoken[index - cue.length + offset] === word));
  const isName = (index: number): boolean => /^\p{L}[\p{L}'-]+$/u.test(spoken[index] ?? '') && !NOT_NAMES.has(spoken[index] ?? '');
  if (cued(at) && isName(at)) return { kind: 'FIRSTNAME', length: 1, value: spoken[at] ?? '' };
  if (cued(at - 1) && isName(at - 1) && isName(at)) return { kind: 'LASTNAME', length: 1, value: spoken[at] ?? '' };
  return undefined;
}
