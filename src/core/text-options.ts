import type { Utterance } from './transcript.ts';

/** What may be blacked out: card numbers, social security numbers, phone numbers and mail addresses, or every number. */
export const REDACTIONS = ['pci', 'ssn', 'pii', 'numbers'] as const;
export type Redaction = (typeof REDACTIONS)[number];

/** A word or short phrase that the speaker is expected to use. */
export interface VocabularyTerm {
  readonly term: string;
  /** How much more likely than usual; 1 is the engine's own view, 2 a clear preference. 0 to 10. */
  readonly boost: number;
}

/** How text is written. Interims keep their numbers as they are said. */
export interface TextOptions {
  /** Spoken numbers as digits: `twenty three` becomes `23`. Default false. */
  readonly numerals?: boolean;
  readonly redact?: readonly Redaction[];
  readonly vocabulary?: readonly VocabularyTerm[];
  /** Ways to write what is heard: each of `from` becomes `to`, whole words, whatever their case. */
  readonly spelling?: readonly { readonly from: readonly string[]; readonly to: string }[];
  /** Default false. */
  readonly profanityFilter?: boolean;
  /** Without the punctuation that some engines set. What stands inside a word stays. Default false. */
  readonly withoutPunctuation?: boolean;
  /** Without the capitals that some engines write. Default false. */
  readonly lowerCase?: boolean;
}

/** From heard words to written ones, for one session; times, speakers and order stay. Never throws. */
export type Writing = (utterance: Utterance, isFinal: boolean) => Utterance;

export type WritingFactory = (options: TextOptions) => Writing;
