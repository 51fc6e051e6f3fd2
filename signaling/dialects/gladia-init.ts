import { z } from 'zod';
import type { AudioFormat } from '../../src/core/audio.ts';
import type { VocabularyTerm } from '../../src/core/text-options.ts';
import type { StreamRequest } from './dialect.ts';

/** Custom metadata larger than this is refused. */
export const MAX_METADATA_BYTES = 100_000;
const MAX_VOCABULARY = 100;
const MAX_VOCABULARY_CHARACTERS = 10_000;
/** A word of intensity 1 is this much likelier than usual; one of 0.5 half of that. */
const BOOST_AT_FULL_INTENSITY = 4;
/** How exactly it is told what is left to process. */
const PROGRESS_MS = 500;
/** The stream has its own patience with a client that is silent or away. */
const MAX_IDLE_MS = 10 * 60_000;

const flag = (fallback: boolean) => z.boolean().default(fallback);
const language = z.string().regex(/^[a-z]{2,3}$/, 'a language code such as en');
const intensity = z.number().min(0).max(1);

const vocabularyEntry = z.union([
  z.string().min(1),
  z.object({ value: z.string().min(1), intensity: intensity.optional(), pronunciations: z.array(z.string()).optional(), language: language.optional() }),
]);
const vocabularyConfig = z.object({
  vocabulary: z
    .array(vocabularyEntry)
    .max(MAX_VOCABULARY)
    .refine((entries) => entries.every((entry) => valueOf(entry).trim().split(/\s+/).length <= 5), 'at most 5 words an entry')
    .refine((entries) => entries.reduce((sum, entry) => sum + valueOf(entry).length, 0) <= MAX_VOCABULARY_CHARACTERS, 'too many characters'),
  default_intensity: intensity.default(0.5),
});
const spellingConfig = z.object({ spelling_dictionary: z.record(z.string().min(1), z.array(z.string().min(1))) });

const realtimeProcessing = z.object({
  custom_vocabulary: flag(false),
  custom_vocabulary_config: vocabularyConfig.nullish(),
  custom_spelling: flag(false),
  custom_spelling_config: spellingConfig.nullish(),
  translation: flag(false),
  translation_config: z.looseObject({ target_languages: z.array(language).min(1) }).nullish(),
  named_entity_recognition: flag(false),
  sentiment_analysis: flag(false),
});

/** Which kinds of messages a receiver wants. */
const messageFlags = z.object({
  receive_partial_transcripts: flag(false),
  receive_final_transcripts: flag(true),
  receive_speech_events: flag(true),
  receive_pre_processing_events: flag(true),
  receive_realtime_processing_events: flag(true),
  receive_post_processing_events: flag(true),
  receive_acknowledgments: flag(true),
  receive_errors: flag(true),
  receive_lifecycle_events: flag(false),
});

export const customMetadata = z.record(z.string(), z.unknown());

/** What a live session is asked for with (`POST /v2/live`). */
export const GLADIA_INIT = z
  .object({
    encoding: z.enum(['wav/pcm', 'wav/alaw', 'wav/ulaw']).default('wav/pcm'),
    bit_depth: z.union([z.literal(8), z.literal(16), z.literal(24), z.literal(32)]).optional().describe('Default 16; A-law and µ-law have 8.'),
    sample_rate: z.union([z.literal(8000), z.literal(16_000), z.literal(32_000), z.literal(44_100), z.literal(48_000)]).default(16_000),
    channels: z.number().int().min(1).max(8).default(1),
    model: z.string().max(100).optional(),
    endpointing: z.number().min(0.01).max(10).default(0.05),
    maximum_duration_without_endpointing: z.number().min(5).max(60).default(5),
    custom_metadata: customMetadata.nullish(),
    language_config: z.object({ languages: z.array(language).default([]), code_switching: flag(false) }).nullish(),
    pre_processing: z.object({ audio_enhancer: flag(false), speech_threshold: z.number().min(0).max(1).default(0.6) }).nullish(),
    realtime_processing: realtimeProcessing.nullish(),
    post_processing: z
      .object({
        summarization: flag(false),
        summarization_config: z.object({ type: z.enum(['general', 'bullet_points', 'concise']).default('general') }).nullish(),
        chapterization: flag(false),
      })
      .nullish(),
    messages_config: messageFlags.nullish(),
    callback: flag(false),
    callback_config: z.looseObject({ url: z.url().optional() }).nullish(),
  })
  .refine(({ encoding, bit_depth }) => encoding === 'wav/pcm' || (bit_depth ?? 8) === 8, { path: ['bit_depth'], message: '8 with this encoding' });

export type GladiaInit = z.output<typeof GLADIA_INIT>;
export type MessageFlags = z.output<typeof messageFlags>;

const DEFAULT_FLAGS = messageFlags.parse({});

/** What the socket is told. */
export const flagsOf = (init: GladiaInit): MessageFlags => init.messages_config ?? DEFAULT_FLAGS;

const PCM = { 8: 'u8', 16: 's16', 24: 's24', 32: 's32' } as const;

/** How the audio of a session is encoded. */
export function formatOf({ encoding, bit_depth: bitDepth = 16, sample_rate: sampleRateHz, channels }: GladiaInit): AudioFormat {
  const samples = encoding === 'wav/alaw' ? 'alaw' : encoding === 'wav/ulaw' ? 'mulaw' : PCM[bitDepth];
  return { container: 'raw', encoding: samples, sampleRateHz, channels };
}

/** Bytes of one sample of all channels. */
export function frameBytesOf({ encoding, bit_depth: bitDepth = 16, channels }: GladiaInit): number {
  return channels * (encoding === 'wav/pcm' ? bitDepth / 8 : 1);
}

/** The session that is asked for, in the core's terms. */
export function requestOf(init: GladiaInit): StreamRequest {
  const languages = init.language_config?.languages ?? [];
  const vocabulary = vocabularyOf(init);
  const spelling = spellingOf(init);
  return {
    format: formatOf(init),
    endpointing: { endpointMs: init.endpointing * 1000, maxUtteranceMs: init.maximum_duration_without_endpointing * 1000 },
    limits: { maxIdleMs: MAX_IDLE_MS },
    progressMs: PROGRESS_MS,
    // Several languages leave the choice to the model.
    ...(languages.length === 1 && { language: languages[0]! }),
    ...((vocabulary ?? spelling) && { text: { ...(vocabulary && { vocabulary }), ...(spelling && { spelling }) } }),
  };
}

function vocabularyOf({ realtime_processing: processing }: GladiaInit): readonly VocabularyTerm[] | undefined {
  const config = processing?.custom_vocabulary === true ? processing.custom_vocabulary_config : undefined;
  return config?.vocabulary.map((entry) => ({
    term: valueOf(entry),
    boost: (typeof entry === 'string' ? config.default_intensity : (entry.intensity ?? config.default_intensity)) * BOOST_AT_FULL_INTENSITY,
  }));
}

function spellingOf({ realtime_processing: processing }: GladiaInit): readonly { readonly from: readonly string[]; readonly to: string }[] | undefined {
  const config = processing?.custom_spelling === true ? processing.custom_spelling_config : undefined;
  return config ? Object.entries(config.spelling_dictionary).map(([to, from]) => ({ from, to })) : undefined;
}

const valueOf = (entry: string | { readonly value: string }): string => (typeof entry === 'string' ? entry : entry.value);
