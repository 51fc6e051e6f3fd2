import { z } from 'zod';
import type { AnalysisRequest, TranslationRequest } from '../../src/core/text-analysis.ts';
import { SUMMARY_STYLES } from '../../src/core/text-analysis.ts';
import type { TextOptions, VocabularyTerm } from '../../src/core/text-options.ts';

/** Custom metadata larger than this is refused. */
export const MAX_METADATA_BYTES = 100_000;
const MAX_VOCABULARY = 100;
const MAX_VOCABULARY_CHARACTERS = 10_000;
/** A word of intensity 1 is this much likelier than usual; one of 0.5 half of that. */
const BOOST_AT_FULL_INTENSITY = 4;
const MAX_TARGETS = 20;

export const flag = (fallback: boolean) => z.boolean().default(fallback);
const language = z.string().regex(/^[a-z]{2,3}$/, 'a language code such as en');
const intensity = z.number().min(0).max(1);

const vocabularyEntry = z.union([
  z.string().min(1),
  z.object({ value: z.string().min(1), intensity: intensity.optional(), pronunciations: z.array(z.string()).optional(), language: language.optional() }),
]);
export const vocabularyList = z
  .array(vocabularyEntry)
  .max(MAX_VOCABULARY)
  .refine((entries) => entries.every((entry) => valueOf(entry).trim().split(/\s+/).length <= 5), 'at most 5 words an entry')
  .refine((entries) => entries.reduce((sum, entry) => sum + valueOf(entry).length, 0) <= MAX_VOCABULARY_CHARACTERS, 'too many characters');

/** Words that are expected, and how words are written: the same fields live and recorded. */
export const wordFields = {
  custom_vocabulary_config: z.object({ vocabulary: vocabularyList, default_intensity: intensity.default(0.5) }).nullish(),
  custom_spelling: flag(false),
  custom_spelling_config: z.object({ spelling_dictionary: z.record(z.string().min(1), z.array(z.string().min(1))) }).nullish(),
};

/** What needs a language model: the same fields live and recorded. */
export const understandingFields = {
  translation: flag(false),
  translation_config: z
    .looseObject({
      target_languages: z.array(language).min(1).max(MAX_TARGETS),
      model: z.enum(['base', 'batch', 'enhanced']).optional().describe('Without effect: there is one model.'),
      match_original_utterances: z.boolean().optional().describe('Without effect: translations always follow the utterances.'),
      lipsync: z.boolean().optional().describe('Without effect.'),
      context_adaptation: z.boolean().optional(),
      context: z.string().max(5000).optional(),
      informal: z.boolean().optional(),
    })
    .nullish(),
  named_entity_recognition: flag(false),
  sentiment_analysis: flag(false),
};
export const summaryFields = {
  summarization: flag(false),
  summarization_config: z.object({ type: z.enum(SUMMARY_STYLES).default('general') }).nullish(),
};

export const languageConfig = z.object({ languages: z.array(language).default([]), code_switching: flag(false) }).nullish();
export const customMetadata = z.record(z.string(), z.unknown());
export const boundedMetadata = customMetadata.refine((metadata) => JSON.stringify(metadata).length <= MAX_METADATA_BYTES, 'at most 100 kB').nullish();

interface WordOptions {
  readonly custom_vocabulary?: boolean | z.output<typeof vocabularyList> | null | undefined;
  readonly custom_vocabulary_config?: z.output<(typeof wordFields)['custom_vocabulary_config']>;
  readonly custom_spelling?: boolean | undefined;
  readonly custom_spelling_config?: z.output<(typeof wordFields)['custom_spelling_config']>;
}

/** How the text is to be written; undefined where nothing is said about it. */
export function textOptionsOf(options: WordOptions | null | undefined): TextOptions | undefined {
  const vocabulary = vocabularyOf(options);
  const dictionary = options?.custom_spelling === true ? options.custom_spelling_config?.spelling_dictionary : undefined;
  const spelling = dictionary && Object.entries(dictionary).map(([to, from]) => ({ from, to }));
  return vocabulary || spelling ? { ...(vocabulary && { vocabulary }), ...(spelling && { spelling }) } : undefined;
}

function vocabularyOf(options: WordOptions | null | undefined): readonly VocabularyTerm[] | undefined {
  const { custom_vocabulary: wanted, custom_vocabulary_config: config } = options ?? {};
  const list = Array.isArray(wanted) ? wanted : wanted === true ? config?.vocabulary : undefined;
  const fallback = config?.default_intensity ?? 0.5;
  return list?.map((entry) => ({ term: valueOf(entry), boost: (typeof entry === 'string' ? fallback : (entry.intensity ?? fallback)) * BOOST_AT_FULL_INTENSITY }));
}

const valueOf = (entry: string | { readonly value: string }): string => (typeof entry === 'string' ? entry : entry.value);

interface UnderstandingOptions {
  readonly translation?: boolean;
  readonly translation_config?: z.output<(typeof understandingFields)['translation_config']>;
  readonly named_entity_recognition?: boolean;
  readonly sentiment_analysis?: boolean;
}

/** What of it is asked of each utterance. */
export function understandingOf(options: UnderstandingOptions | null | undefined): AnalysisRequest {
  const translation = options?.translation === true ? translationOf(options.translation_config) : undefined;
  return { ...(translation && { translation }), ...(options?.named_entity_recognition === true && { entities: true }), ...(options?.sentiment_analysis === true && { sentiments: true }) };
}

function translationOf(config: UnderstandingOptions['translation_config']): TranslationRequest | undefined {
  if (!config) return undefined;
  const { target_languages: targets, informal, context, context_adaptation: adapts } = config;
  return { targets: [...new Set(targets)], ...(informal !== undefined && { informal }), ...(context !== undefined && adapts !== false && { context }) };
}

/** Refuses a flag that is set without the settings that it cannot do without. */
export function needsConfig(options: Readonly<Record<string, unknown>> | null | undefined, name: string): boolean {
  return options?.[name] !== true || (options[`${name}_config`] ?? undefined) !== undefined;
}
