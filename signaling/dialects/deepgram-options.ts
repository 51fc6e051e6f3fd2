import type { AudioFormat } from '../../src/core/audio.ts';
import type { Redaction, TextOptions, VocabularyTerm } from '../../src/core/text-options.ts';
import { type QueryReader, vocabularyTerms } from './fields.ts';

/** Encodings by the vendor's names. Compressed ones come with their own framing. */
const ENCODINGS = new Map<string, Pick<AudioFormat, 'container' | 'encoding'>>([
  ['linear16', { container: 'raw', encoding: 's16' }],
  ['linear32', { container: 'raw', encoding: 'f32' }],
  ['mulaw', { container: 'raw', encoding: 'mulaw' }],
  ['alaw', { container: 'raw', encoding: 'alaw' }],
  ['flac', { container: 'flac' }],
  ['opus', { container: 'ogg' }],
  ['ogg-opus', { container: 'ogg' }],
]);

/** What is asked to be blacked out, by the vendor's names. */
const REDACTIONS = new Map<string, Redaction>([
  ['pci', 'pci'],
  ['credit_card', 'pci'],
  ['pii', 'pii'],
  ['ssn', 'ssn'],
  ['numbers', 'numbers'],
  ['true', 'numbers'],
]);

const KEYTERM_BOOST = 2;
const DEFAULT_KEYWORD_BOOST = 1;
const MAX_EXTRAS = 32;

/** What live and recorded audio can both be asked for. */
export interface DeepgramOptions {
  readonly format: AudioFormat;
  /** One lane for each channel, instead of one for their mix. */
  readonly multichannel: boolean;
  readonly diarize: boolean;
  readonly punctuated: boolean;
  readonly language: string | undefined;
  /** Undefined: as it is heard. */
  readonly text: TextOptions | undefined;
  /** What goes back untouched with the metadata. */
  readonly echoed: { readonly tags?: readonly string[]; readonly extra?: Readonly<Record<string, string>> };
}

/** Reads what live and recorded audio have in common; what is wrong is collected in the reader. */
export function deepgramOptions(reader: QueryReader): DeepgramOptions {
  const encoding = reader.choice('encoding', ENCODINGS);
  const sampleRateHz = reader.integer('sample_rate', 4000, 192_000);
  const channels = reader.integer('channels', 1, 8) ?? 1;
  const multichannel = reader.flag('multichannel');
  if (encoding?.container === 'raw' && sampleRateHz === undefined) reader.refuse('sample_rate', 'required with this encoding');
  const punctuated = ['punctuate', 'smart_format', 'paragraphs'].map((name) => reader.flag(name)).includes(true);
  if (reader.all('search').length > 0) reader.refuse('search', 'not offered by this server');
  return {
    format: { container: 'auto', ...encoding, channels, ...(sampleRateHz !== undefined && { sampleRateHz }), ...(!multichannel && { mixdown: true }) },
    multichannel,
    diarize: reader.flag('diarize') || reader.text('diarize_model') !== undefined,
    punctuated,
    language: reader.language('language', ['multi']),
    text: textOptions(reader, punctuated),
    echoed: echoed(reader),
  };
}

function textOptions(reader: QueryReader, punctuated: boolean): TextOptions | undefined {
  const redact = [...new Set(reader.all('redact').flatMap((list) => list.split(',')).flatMap((name) => redaction(reader, name.trim())))];
  const vocabulary = terms(reader);
  const spelling = reader.all('replace').flatMap((entry) => {
    const [, from, to] = /^([^:]+):(.+)$/.exec(entry) ?? [];
    if (from !== undefined && to !== undefined) return [{ from: [from], to }];
    reader.refuse('replace', 'find:replacement');
    return [];
  });
  const options: TextOptions = {
    ...((reader.flag('numerals') || reader.flag('smart_format')) && { numerals: true }),
    ...(redact.length > 0 && { redact }),
    ...(vocabulary.length > 0 && { vocabulary }),
    ...(spelling.length > 0 && { spelling }),
    ...(reader.flag('profanity_filter') && { profanityFilter: true }),
    ...(!punctuated && { withoutPunctuation: true, lowerCase: true }),
  };
  return Object.keys(options).length > 0 ? options : undefined;
}

function redaction(reader: QueryReader, name: string): readonly Redaction[] {
  if (name === 'false' || name === '') return [];
  const known = REDACTIONS.get(name);
  if (!known) reader.refuse('redact', `one of ${[...REDACTIONS.keys()].join(', ')}`);
  return known ? [known] : [];
}

/** A keyword that is to be heard less often (a boost below 0) is left out: nothing here can do that. */
function terms(reader: QueryReader): readonly VocabularyTerm[] {
  const keywords = reader.all('keywords').filter((keyword) => !/:-\d/.test(keyword));
  return [
    ...reader.all('keyterm').map((term) => ({ term, boost: KEYTERM_BOOST })),
    ...keywords.flatMap((keyword) => vocabularyTerms(keyword, DEFAULT_KEYWORD_BOOST)),
  ];
}

function echoed(reader: QueryReader): DeepgramOptions['echoed'] {
  const tags = reader.all('tag');
  const extras = reader.all('extra').map((entry) => /^([^:]+):(.*)$/s.exec(entry));
  if (extras.some((match) => !match) || extras.length > MAX_EXTRAS) reader.refuse('extra', `key:value, at most ${String(MAX_EXTRAS)} times`);
  const extra = Object.fromEntries(extras.flatMap((match) => (match ? [[match[1] ?? '', match[2] ?? '']] : [])));
  return { ...(tags.length > 0 && { tags }), ...(extras.length > 0 && { extra }) };
}
