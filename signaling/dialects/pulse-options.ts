import type { Redaction, TextOptions } from '../../src/core/text-options.ts';
import { type QueryReader, vocabularyTerms } from './fields.ts';

/** What the vendor's clients send where they do not know the language. */
const ANY_LANGUAGE = ['multi', 'multi-eu', 'multi-indic', 'multi-asian', 'multi-south-indic', 'north_indic', 'auto'];
const DEFAULT_BOOST = 1;

/** What live and recorded audio can both be asked for. */
export interface PulseOptions {
  readonly language: string | undefined;
  readonly diarize: boolean;
  /** Undefined: as it is heard. */
  readonly text: TextOptions | undefined;
}

/** Reads what live and recorded audio have in common; what is wrong is collected in the reader. */
export function pulseOptions(reader: QueryReader): PulseOptions {
  const language = reader.language('language', ANY_LANGUAGE);
  const diarize = reader.flag('diarize');
  const tag = reader.text('external_session_id');
  if (tag !== undefined && !/^[\w.-]{1,128}$/.test(tag)) reader.refuse('external_session_id', 'letters, digits, _, - and ., at most 128');
  return { language, diarize, text: textOptions(reader) };
}

function textOptions(reader: QueryReader): TextOptions | undefined {
  const isFormatted = reader.flag('format', true);
  const withoutPunctuation = !reader.flag('punctuate', true) || !isFormatted;
  const lowerCase = !reader.flag('capitalize', true) || !isFormatted;
  const numerals = isFormatted && (reader.flag('itn_normalize') || reader.text('numerals') === 'true');
  const redact: Redaction[] = [];
  if (isAsked(reader.text('redact_pii'))) redact.push('pii');
  if (isAsked(reader.text('redact_pci'))) redact.push('pci');
  const keywords = reader.text('keywords');
  const options: TextOptions = {
    ...(numerals && { numerals }),
    ...(redact.length > 0 && { redact }),
    ...(keywords !== undefined && { vocabulary: vocabularyTerms(keywords, DEFAULT_BOOST) }),
    ...(withoutPunctuation && { withoutPunctuation }),
    ...(lowerCase && { lowerCase }),
  };
  return Object.keys(options).length > 0 ? options : undefined;
}

/** A list of entities, as one client sends it, asks for all of them. */
const isAsked = (value: string | undefined): boolean => value !== undefined && value !== 'false' && value !== '0';
