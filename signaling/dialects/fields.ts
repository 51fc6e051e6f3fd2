import { samplesToSeconds } from '../../src/core/audio.ts';
import { EarshotError, type ErrorDetail } from '../../src/core/errors.ts';
import type { VocabularyTerm } from '../../src/core/text-options.ts';
import type { SpeakerLabel, Word } from '../../src/core/transcript.ts';

/** A `VALIDATION_ERROR` that names the fields. */
export function invalid(details: readonly ErrorDetail[]): EarshotError {
  const named = details.map((detail) => `${detail.field}: ${detail.message}`).join('; ');
  return new EarshotError('VALIDATION_ERROR', `Not accepted: ${named}.`, { details });
}

/** Reads query parameters and collects what is wrong with them; `check` throws all of it at once. */
export class QueryReader {
  readonly #query: URLSearchParams;
  readonly #details: ErrorDetail[] = [];

  constructor(query: URLSearchParams) {
    this.#query = query;
  }

  text(field: string): string | undefined {
    const value = this.#query.get(field);
    return value === null || value === '' ? undefined : value;
  }

  /** All values of a parameter that may be repeated. */
  all(field: string): readonly string[] {
    return this.#query.getAll(field).filter((value) => value !== '');
  }

  flag(field: string, fallback = false): boolean {
    const value = this.text(field)?.toLowerCase();
    if (value === undefined) return fallback;
    if (value === 'true' || value === '1') return true;
    if (value !== 'false' && value !== '0') this.refuse(field, 'true or false');
    return false;
  }

  integer(field: string, min: number, max: number): number | undefined {
    const value = this.text(field);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (Number.isInteger(number) && number >= min && number <= max) return number;
    this.refuse(field, `an integer from ${String(min)} to ${String(max)}`);
    return undefined;
  }

  choice<T>(field: string, choices: ReadonlyMap<string, T>): T | undefined {
    const value = this.text(field);
    if (value === undefined) return undefined;
    const choice = choices.get(value);
    if (choice === undefined) this.refuse(field, `one of ${[...choices.keys()].join(', ')}`);
    return choice;
  }

  number(field: string, min: number, max: number): number | undefined {
    const value = this.text(field);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (number >= min && number <= max) return number;
    this.refuse(field, `a number from ${String(min)} to ${String(max)}`);
    return undefined;
  }

  /** A language tag (BCP 47) as its first part, in lower case; undefined for those that mean "whatever is spoken". */
  language(field: string, anyLanguage: readonly string[] = []): string | undefined {
    const value = this.text(field)?.toLowerCase();
    if (value === undefined || anyLanguage.includes(value)) return undefined;
    const primary = value.split(/[-_]/)[0] ?? '';
    if (/^[a-z]{2,3}$/.test(primary)) return primary;
    this.refuse(field, 'a language tag such as en or en-US');
    return undefined;
  }

  refuse(field: string, message: string): void {
    this.#details.push({ field, message });
  }

  /** Throws `VALIDATION_ERROR` if anything was refused. */
  check(): void {
    if (this.#details.length > 0) throw invalid(this.#details);
  }
}

/** The value of `Authorization` after one of the schemes, whatever their case. */
export function authorization(headers: Readonly<Record<string, string | string[] | undefined>>, ...schemes: readonly string[]): string | undefined {
  const header = headers['authorization'];
  if (typeof header !== 'string') return undefined;
  const match = /^(\S+)\s+(\S+)$/.exec(header);
  // A header that cannot be read is a wrong key, not no key.
  return match && schemes.some((scheme) => scheme.toLowerCase() === match[1]?.toLowerCase()) ? match[2] : '';
}

/** The JSON object in a text frame; undefined where there is none. */
export function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The bytes of audio in a JSON message; undefined where the text is not base64. */
export function base64Bytes(text: string): Buffer | undefined {
  const characters = text.length - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0);
  // What is not of the alphabet is skipped by the decoder: then there are too few bytes.
  const bytes = Buffer.from(text, 'base64');
  return characters % 4 !== 1 && bytes.length === Math.floor((characters * 3) / 4) ? bytes : undefined;
}

/** Seconds to the millisecond. */
export const seconds = (samples: number): number => roundedTo(samplesToSeconds(samples), 3);

export function roundedTo(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}

/** The mean of the words' confidences; undefined where the engine gave none. */
export function meanConfidence(words: readonly Word[]): number | undefined {
  const confidences = words.flatMap((word) => word.confidence ?? []);
  if (confidences.length === 0) return undefined;
  return roundedTo(confidences.reduce((sum, value) => sum + value, 0) / confidences.length, 3);
}

/** Gives every speaker of a conversation a number, from 0 by first appearance. */
export class SpeakerNumbers {
  readonly #numbers = new Map<string, number>();

  of(speaker: SpeakerLabel): number {
    const key = speaker.speakerId ?? speaker.label;
    const number = this.#numbers.get(key) ?? this.#numbers.size;
    this.#numbers.set(key, number);
    return number;
  }
}

/** Terms as `word:boost,two words:1.5`; a boost that is none belongs to the term. */
export function vocabularyTerms(list: string, defaultBoost: number): readonly VocabularyTerm[] {
  return list.split(',').flatMap((entry) => {
    const [, term = entry, boost] = /^(.*):(\d+(?:\.\d+)?)$/.exec(entry) ?? [];
    return term.trim() === '' ? [] : [{ term: term.trim(), boost: boost === undefined ? defaultBoost : Math.min(Number(boost), 10) }];
  });
}
