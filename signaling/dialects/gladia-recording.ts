import { z } from 'zod';
import type { CallbackMethod, JobRequest } from '../../src/core/store/jobs.ts';
import type { AnalysisRequest } from '../../src/core/text-analysis.ts';
import { asksForAnalysis } from '../../src/core/text-analysis.ts';
import type { Redaction } from '../../src/core/text-options.ts';
import { boundedMetadata, flag, languageConfig, needsConfig, summaryFields, textOptionsOf, understandingFields, understandingOf, vocabularyList, wordFields } from './gladia-options.ts';

const MAX_PROMPTS = 20;

/** Kinds of personal data that are found by their form. What only somebody who understands the text could find is refused. */
const REDACTIONS: Readonly<Record<string, Redaction>> = {
  PCI: 'pci',
  CREDIT_CARD: 'pci',
  SSN: 'ssn',
  EMAIL_ADDRESS: 'pii',
  PHONE_NUMBER: 'pii',
  NUMERICAL_PII: 'numbers',
};
const entityType = z.enum(Object.keys(REDACTIONS) as [string, ...string[]], { error: `one of ${Object.keys(REDACTIONS).join(', ')}: others are not found here` });

const subtitlesConfig = z.object({
  formats: z.array(z.enum(['srt', 'vtt'])).min(1).default(['srt']),
  minimum_duration: z.number().min(0).max(60).optional(),
  maximum_duration: z.number().min(1).max(60).optional(),
  maximum_characters_per_row: z.number().int().min(10).max(1000).optional(),
  maximum_rows_per_caption: z.number().int().min(1).max(5).optional().describe('More than two are never made.'),
  style: z.enum(['default', 'compliance']).optional().describe('Without effect.'),
});

/** Never made here, and told so in the result. */
export const NEVER_OFFERED = ['moderation', 'name_consistency', 'structured_data_extraction', 'display_mode'] as const;

/** What a recording is asked for with (`POST /v2/pre-recorded`). */
export const GLADIA_RECORDING = z
  .object({
    audio_url: z.string().min(1).max(4096).describe('What the upload answered, or the address of an audio or video file.'),
    custom_vocabulary: z.union([z.boolean(), vocabularyList]).default(false),
    ...wordFields,
    ...understandingFields,
    ...summaryFields,
    callback_url: z.string().max(2048).nullish().describe('Older way to say `callback_config.url`.'),
    callback: flag(false),
    callback_config: z.object({ url: z.string().max(2048), method: z.enum(['POST', 'PUT']).default('POST') }).nullish(),
    subtitles: flag(false),
    subtitles_config: subtitlesConfig.nullish(),
    diarization: flag(false),
    diarization_config: z
      .object({ number_of_speakers: z.number().int().min(1).max(100).optional(), min_speakers: z.number().int().min(0).max(100).optional(), max_speakers: z.number().int().min(0).max(100).optional(), enhanced: z.boolean().optional() })
      .nullish()
      .describe('Hints, without effect: speakers are told apart by their voices alone.'),
    chapterization: flag(false),
    audio_to_llm: flag(false),
    audio_to_llm_config: z
      .object({ prompts: z.array(z.union([z.string().min(1).max(10_000), z.array(z.string().min(1).max(10_000))])).min(1).max(MAX_PROMPTS), model: z.string().max(200).optional().describe('Without effect: there is one model.') })
      .nullish(),
    pii_redaction: flag(false),
    pii_redaction_config: z.object({ entity_types: z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(entityType).min(1)), processed_text_type: z.enum(['MARKER', 'MASK']).default('MARKER') }).nullish(),
    sentences: flag(false),
    punctuation_enhanced: flag(false).describe('Without effect: the punctuation is the engine’s.'),
    language_config: languageConfig,
    custom_metadata: boundedMetadata,
    model: z.string().max(100).optional().describe('Taken for the best that is there.'),
    ...Object.fromEntries(NEVER_OFFERED.map((name) => [name, flag(false)])),
  })
  .refine((options) => !options.callback || (options.callback_config ?? undefined) !== undefined || (options.callback_url ?? undefined) !== undefined, { path: ['callback_config'], message: 'required: where to' })
  .refine((options) => needsConfig(options, 'translation'), { path: ['translation_config'], message: 'required: the target languages' })
  .refine((options) => needsConfig(options, 'audio_to_llm'), { path: ['audio_to_llm_config'], message: 'required: the prompts' })
  .refine((options) => needsConfig(options, 'pii_redaction'), { path: ['pii_redaction_config'], message: 'required: the entity_types' })
  .refine(({ pii_redaction_config: config }) => config?.processed_text_type !== 'MASK', { path: ['pii_redaction_config', 'processed_text_type'], message: 'MARKER: words are replaced by markers here' });

export type GladiaRecording = z.output<typeof GLADIA_RECORDING> & Partial<Record<(typeof NEVER_OFFERED)[number], boolean>>;

/** The job that is asked for, in the core's terms. */
export function recordingRequest(options: GladiaRecording): JobRequest {
  const languages = options.language_config?.languages ?? [];
  const text = { ...textOptionsOf(options), ...(options.pii_redaction && { redact: redactionsOf(options) }) };
  const analysis = recordingAnalysis(options);
  const callback = callbackTarget(options);
  return {
    ...(languages.length === 1 && { language: languages[0]! }),
    ...(options.diarization && { diarize: true }),
    ...(Object.keys(text).length > 0 && { text }),
    ...(asksForAnalysis(analysis) && { analysis }),
    ...(callback && { callbackUrl: callback.url, callbackMethod: callback.method }),
  };
}

export function callbackTarget({ callback, callback_config: config, callback_url: older }: GladiaRecording): { readonly url: string; readonly method: CallbackMethod } | undefined {
  if (callback && config) return config;
  return older === null || older === undefined ? undefined : { url: older, method: 'POST' };
}

function recordingAnalysis(options: GladiaRecording): AnalysisRequest {
  const prompts = options.audio_to_llm ? options.audio_to_llm_config?.prompts.flat() : undefined;
  return {
    ...understandingOf(options),
    ...(options.summarization && { summary: options.summarization_config?.type ?? 'general' }),
    ...(options.chapterization && { chapters: true }),
    ...(prompts && { prompts }),
  };
}

function redactionsOf({ pii_redaction_config: config }: GladiaRecording): readonly Redaction[] {
  return [...new Set((config?.entity_types ?? []).flatMap((type) => REDACTIONS[type] ?? []))];
}
