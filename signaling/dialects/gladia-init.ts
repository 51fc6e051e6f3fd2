import { z } from 'zod';
import type { AudioFormat } from '../../src/core/audio.ts';
import type { AnalysisRequest, SummaryStyle } from '../../src/core/text-analysis.ts';
import type { StreamRequest } from './dialect.ts';
import { boundedMetadata, flag, languageConfig, needsConfig, summaryFields, textOptionsOf, understandingFields, understandingOf, wordFields } from './gladia-options.ts';

/** How exactly it is told what is left to process. */
const PROGRESS_MS = 500;
/** The stream has its own patience with a client that is silent or away. */
const MAX_IDLE_MS = 10 * 60_000;

const realtimeProcessing = z
  .object({ custom_vocabulary: flag(false), ...wordFields, ...understandingFields })
  .refine((options) => needsConfig(options, 'translation'), { path: ['translation_config'], message: 'required: the target languages' });

/** Which kinds of messages a receiver wants, by the defaults of that receiver. */
const messageFlags = (defaults: Readonly<Record<'partials' | 'speech' | 'acknowledgments' | 'errors' | 'lifecycle', boolean>>) => ({
  receive_partial_transcripts: flag(defaults.partials),
  receive_final_transcripts: flag(true),
  receive_speech_events: flag(defaults.speech),
  receive_pre_processing_events: flag(true),
  receive_realtime_processing_events: flag(true),
  receive_post_processing_events: flag(true),
  receive_acknowledgments: flag(defaults.acknowledgments),
  receive_errors: flag(defaults.errors),
  receive_lifecycle_events: flag(defaults.lifecycle),
});
const socketFlags = z.object(messageFlags({ partials: false, speech: true, acknowledgments: true, errors: true, lifecycle: false }));
const callbackFlags = z.object(messageFlags({ partials: false, speech: false, acknowledgments: false, errors: false, lifecycle: true }));

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
    custom_metadata: boundedMetadata,
    language_config: languageConfig,
    pre_processing: z.object({ audio_enhancer: flag(false), speech_threshold: z.number().min(0).max(1).default(0.6) }).nullish(),
    realtime_processing: realtimeProcessing.nullish(),
    post_processing: z
      .object({ ...summaryFields, chapterization: flag(false) })
      .nullish(),
    messages_config: socketFlags.nullish(),
    callback: flag(false),
    callback_config: callbackFlags.extend({ url: z.string().max(2048).optional() }).nullish(),
  })
  .refine(({ callback, callback_config }) => !callback || callback_config?.url !== undefined, { path: ['callback_config', 'url'], message: 'required: where to' })
  .refine(({ encoding, bit_depth }) => encoding === 'wav/pcm' || (bit_depth ?? 8) === 8, { path: ['bit_depth'], message: '8 with this encoding' });

export type GladiaInit = z.output<typeof GLADIA_INIT>;
export type MessageFlags = z.output<typeof socketFlags>;

const DEFAULT_FLAGS = socketFlags.parse({});

/** What the socket is told. */
export const flagsOf = (init: GladiaInit): MessageFlags => init.messages_config ?? DEFAULT_FLAGS;

/** Where messages are posted, and which; undefined where they are not. */
export function callbackOf({ callback, callback_config: config }: GladiaInit): { readonly url: string; readonly flags: MessageFlags } | undefined {
  return callback && config?.url !== undefined ? { url: config.url, flags: config } : undefined;
}

/** What a language model is asked of each utterance, and of the whole. */
export const analysisOf = ({ realtime_processing: realtime }: GladiaInit): AnalysisRequest => understandingOf(realtime);
export function summaryOf({ post_processing: post }: GladiaInit): SummaryStyle | undefined {
  return post?.summarization === true ? (post.summarization_config?.type ?? 'general') : undefined;
}

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
  const text = textOptionsOf(init.realtime_processing);
  return {
    format: formatOf(init),
    endpointing: { endpointMs: init.endpointing * 1000, maxUtteranceMs: init.maximum_duration_without_endpointing * 1000 },
    limits: { maxIdleMs: MAX_IDLE_MS },
    progressMs: PROGRESS_MS,
    // Several languages leave the choice to the model.
    ...(languages.length === 1 && { language: languages[0]! }),
    ...(text && { text }),
  };
}
