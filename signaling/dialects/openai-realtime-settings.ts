import { z } from 'zod';
import type { AudioFormat } from '../../src/core/audio.ts';
import type { EndpointingOptions } from '../../src/core/session/endpointing.ts';
import type { StreamRequest } from './dialect.ts';

/** What a realtime session does. */
export interface RealtimeSettings {
  readonly format: keyof typeof FORMATS;
  /** As the client named it. */
  readonly model: string;
  readonly language: string | null;
  /** Silence that ends a turn, in ms; null: the client commits each turn. */
  readonly silenceMs: number | null;
}

/** A refusal of something that a client sent, as it goes into an `error` event. */
export interface RealtimeRefusal {
  readonly type: 'invalid_request_error';
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
}

/** The name under which clients get the best fitting model; the vendor's own names mean the same. */
const ANY_MODEL = 'earshot';
export const DEFAULT_SETTINGS: RealtimeSettings = { format: 'audio/pcm', model: ANY_MODEL, language: null, silenceMs: 500 };

const FORMATS = {
  'audio/pcm': { encoding: 's16', sampleRateHz: 24_000, bytesPerMs: 48, legacyName: 'pcm16' },
  'audio/pcmu': { encoding: 'mulaw', sampleRateHz: 8000, bytesPerMs: 8, legacyName: 'g711_ulaw' },
  'audio/pcma': { encoding: 'alaw', sampleRateHz: 8000, bytesPerMs: 8, legacyName: 'g711_alaw' },
} as const satisfies Record<string, Pick<AudioFormat, 'encoding' | 'sampleRateHz'> & { bytesPerMs: number; legacyName: string }>;

/** What silence ends a turn where the client names an eagerness instead. */
const SILENCE_MS_OF_EAGERNESS = { high: 500, auto: 800, medium: 800, low: 1500 } as const;
const MIN_SILENCE_MS = 10;
const MAX_SILENCE_MS = 10_000;
/** How the detector works, whatever is asked for. */
const THRESHOLD = 0.5;
const PREFIX_PADDING_MS = 400;
/** Turns may be minutes apart. */
const MAX_IDLE_MS = 15 * 60_000;
/** A turn without an end of its own is cut for the recognizer at this length, not for the client. */
const MAX_UTTERANCE_MS = 120_000;

const formatSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('audio/pcm'), rate: z.literal(24_000).optional() }),
  z.strictObject({ type: z.enum(['audio/pcmu', 'audio/pcma']) }),
]);

const turnDetectionSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('server_vad'),
    threshold: z.number().min(0).max(1).nullish(),
    prefix_padding_ms: z.number().min(0).nullish(),
    silence_duration_ms: z.number().min(0).max(MAX_SILENCE_MS).nullish(),
    idle_timeout_ms: z.number().nullish(),
    create_response: z.boolean().nullish(),
    interrupt_response: z.boolean().nullish(),
  }),
  z.strictObject({
    type: z.literal('semantic_vad'),
    eagerness: z.enum(['low', 'medium', 'high', 'auto']).nullish(),
    create_response: z.boolean().nullish(),
    interrupt_response: z.boolean().nullish(),
  }),
]);

const transcriptionSchema = z.strictObject({
  model: z.string().max(200).nullish(),
  language: z
    .string()
    .regex(/^([A-Za-z]{2,3}([-_][A-Za-z0-9]+)*)?$/, 'a language code such as en')
    .nullish(),
  prompt: z.string().nullish(),
  delay: z.string().nullish(),
});

const patchSchema = z.strictObject({
  type: z.enum(['transcription', 'realtime']).optional(),
  audio: z
    .object({
      input: z
        .strictObject({
          format: formatSchema.optional(),
          noise_reduction: z.strictObject({ type: z.enum(['near_field', 'far_field']) }).nullish(),
          transcription: transcriptionSchema.optional(),
          turn_detection: turnDetectionSchema.nullish(),
        })
        .optional(),
    })
    .optional(),
  include: z.array(z.string()).nullish(),
});

/** Names of before the general release, and where they went. */
const LEGACY_FIELDS: Readonly<Record<string, string>> = {
  input_audio_format: 'format',
  input_audio_transcription: 'transcription',
  turn_detection: 'turn_detection',
  input_audio_noise_reduction: 'noise_reduction',
};

/** The settings with a client's `session` laid over them: what it does not name stays, null clears. Never throws. */
export function patched(settings: RealtimeSettings, session: unknown): RealtimeSettings | { readonly refusal: RealtimeRefusal } {
  const result = patchSchema.safeParse(known(modernized(session)));
  if (!result.success) return { refusal: refusalOf(result.error) };
  const { format, transcription, turn_detection: turns } = result.data.audio?.input ?? {};
  return {
    format: format?.type ?? settings.format,
    model: transcription?.model === undefined ? settings.model : (transcription.model ?? ANY_MODEL),
    language: transcription?.language === undefined ? settings.language : languageOf(transcription.language),
    silenceMs: turns === undefined ? settings.silenceMs : turns && silenceOf(turns),
  };
}

/** What of the new settings cannot be had once audio was sent, if anything. */
export function fixedField(before: RealtimeSettings, after: RealtimeSettings): string | undefined {
  if (before.format !== after.format) return 'session.audio.input.format';
  if (before.model !== after.model) return 'session.audio.input.transcription.model';
  return before.language === after.language ? undefined : 'session.audio.input.transcription.language';
}

/** The session that serves these settings. */
export function requestOf({ format, model, language, silenceMs }: RealtimeSettings): StreamRequest {
  const { encoding, sampleRateHz } = FORMATS[format];
  return {
    format: { container: 'raw', encoding, sampleRateHz, channels: 1 },
    endpointing: endpointingOf(silenceMs),
    limits: { maxIdleMs: MAX_IDLE_MS },
    ...(language !== null && { language }),
    ...(isOwnModel(model) && { model }),
  };
}

export const endpointingOf = (silenceMs: number | null): EndpointingOptions => (silenceMs === null ? { endpointMs: Infinity, maxUtteranceMs: MAX_UTTERANCE_MS } : { endpointMs: silenceMs });

export const msOfBytes = (format: RealtimeSettings['format'], bytes: number): number => bytes / FORMATS[format].bytesPerMs;

/** The session as it is in force: what was asked for and cannot be had is not there. */
export function sessionObject(settings: RealtimeSettings, identity: object): object {
  const { format } = settings;
  return {
    type: 'transcription',
    object: 'realtime.transcription_session',
    ...identity,
    audio: {
      input: {
        format: format === 'audio/pcm' ? { type: format, rate: FORMATS[format].sampleRateHz } : { type: format },
        noise_reduction: null,
        transcription: transcriptionOf(settings),
        turn_detection: turnDetectionOf(settings),
      },
    },
    include: null,
  };
}

/** As `sessionObject`, by the names of before the general release. */
export function legacySessionObject(settings: RealtimeSettings, identity: object): object {
  return {
    object: 'realtime.transcription_session',
    ...identity,
    modalities: ['text'],
    input_audio_format: FORMATS[settings.format].legacyName,
    input_audio_noise_reduction: null,
    input_audio_transcription: transcriptionOf(settings),
    turn_detection: turnDetectionOf(settings),
    include: null,
  };
}

const transcriptionOf = ({ model, language }: RealtimeSettings): object => ({ model, language, prompt: '' });

function turnDetectionOf({ silenceMs }: RealtimeSettings): object | null {
  if (silenceMs === null) return null;
  return { type: 'server_vad', threshold: THRESHOLD, prefix_padding_ms: PREFIX_PADDING_MS, silence_duration_ms: silenceMs, idle_timeout_ms: null };
}

function silenceOf(turns: z.output<typeof turnDetectionSchema>): number {
  if (turns.type === 'semantic_vad') return SILENCE_MS_OF_EAGERNESS[turns.eagerness ?? 'auto'];
  return Math.max(MIN_SILENCE_MS, turns.silence_duration_ms ?? 500);
}

/** Names of models that this server knows as its own are taken at their word. */
const isOwnModel = (model: string): boolean => model !== '' && model !== ANY_MODEL && !/^(gpt-|whisper-1$)/.test(model);

const languageOf = (tag: string | null): string | null => /^[A-Za-z]+/.exec(tag ?? '')?.[0].toLowerCase() ?? null;

/** A session for conversations says much that is of no use here; a session for transcription does not. */
function known(session: unknown): unknown {
  if (!isObject(session) || session['type'] !== 'realtime') return session;
  return Object.fromEntries(Object.entries(session).filter(([key]) => key in patchSchema.shape));
}

function modernized(session: unknown): unknown {
  if (!isObject(session) || !Object.keys(session).some((key) => key in LEGACY_FIELDS)) return session;
  const input: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(session)) {
    const name = LEGACY_FIELDS[key];
    if (name === undefined) rest[key] = value;
    else input[name] = name === 'format' ? { type: Object.entries(FORMATS).find(([, { legacyName }]) => legacyName === value)?.[0] ?? value } : value;
  }
  return { ...rest, audio: { input } };
}

function refusalOf(error: z.ZodError): RealtimeRefusal {
  const [issue] = error.issues;
  const path = ['session', ...(issue?.path ?? [])];
  if (issue?.code === 'unrecognized_keys') {
    const param = [...path, issue.keys[0]].join('.');
    return { type: 'invalid_request_error', code: 'unknown_parameter', message: `Unknown parameter: '${param}'.`, param };
  }
  const param = path.join('.');
  return { type: 'invalid_request_error', code: 'invalid_value', message: `Invalid value for '${param}': ${issue?.message ?? 'not accepted'}.`, param };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
