import { randomUUID } from 'node:crypto';
import multipart from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { invalid } from '../../../signaling/dialects/fields.ts';
import { segment } from '../../../signaling/dialects/scaiecho.ts';
import type { SessionWish } from '../../core/admission.ts';
import { EarshotError } from '../../core/errors.ts';
import { transcribe, transcriptText, type Transcript } from '../../core/session/transcribe.ts';
import { FORMATS } from '../../formats/index.ts';
import { okBody } from '../envelope.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import { answer, file, RECOGNITION_ERRORS, route, type Routes, SESSION_ERRORS } from '../route-schema.ts';
import { parse, parseLanguage } from '../validation.ts';

const PREFERENCES = ['any', 'prefer_self_hosted', 'prefer_relay'] as const;
const FORMAT_IDS = ['json', 'text', 'srt', 'vtt'] as const;
const notYet = z.literal(['false', ''], { error: 'not offered by this server yet' });
/** Fields and part headers around the file. */
const MAX_ENVELOPE_BYTES = 64 * 1024;

const querySchema = z.object({ format: z.enum(FORMAT_IDS).default('json').describe('Other than `json`, the body is that text without an envelope.') });

const fieldsSchema = z.object({
  language_hint: z.string().optional().describe('Two letters of ISO 639-1.'),
  backend_preference: z.enum([...PREFERENCES, '']).default('any').describe('A wish; the policy of the tenant has the last word.'),
  temperature: z.coerce.number().min(0).max(1).optional(),
  force_async: notYet.optional(),
  diarize: z.enum(['false', 'true', '']).optional().describe('Label the words with their speakers; needs `scaiecho:diarize`.'),
});
const formSchema = fieldsSchema.extend({ file: file('WAV, MP3, FLAC, Ogg, M4A/MP4 or WebM, at most 8 channels. Its first bytes tell which.') });

const wordSchema = z.object({
  text: z.string(),
  start: z.number(),
  end: z.number(),
  confidence: z.number().optional(),
  speaker: z.string().optional().describe('Name of an enrolled speaker, or `SPEAKER_00`, `SPEAKER_01`, ...; absent where nobody can tell.'),
  speaker_id: z.string().nullable().optional().describe('Null where the speaker is not an enrolled one.'),
});
const segmentSchema = wordSchema.extend({ segment_id: z.string(), lane: z.number().int(), words: z.array(wordSchema) });
const transcriptSchema = z.object({
  job_id: z.string(),
  transcript: z.string(),
  backend_used: z.string(),
  language_detected: z.string().nullable(),
  audio_duration_ms: z.number().int(),
  audio_bytes: z.number().int(),
  segments: z.array(segmentSchema).describe('The utterances of all channels in the order of their start; times in seconds.'),
});

const TRANSCRIBE = route('scaiecho:transcribe', {
  tag: 'Files',
  summary: 'Transcribe a recording',
  querystring: querySchema,
  form: formSchema,
  response: { 200: answer(transcriptSchema) },
  texts: ['text/plain', 'application/x-subrip', 'text/vtt'],
  errors: [...SESSION_ERRORS, ...RECOGNITION_ERRORS],
});

interface Upload {
  readonly file: Buffer;
  readonly fields: ReadonlyMap<string, string>;
}

/**
 * `POST transcribe`: a whole file in, its transcript out. The upload is held in memory up to the inline limit, because a form's
 * fields may follow its file; from there on it is decoded and recognized as a stream.
 */
export async function transcribeRoutes(app: Routes, services: HttpServices): Promise<void> {
  await app.register(multipart, {
    throwFileSizeLimit: false,
    limits: { files: 1, fields: 32, fieldSize: 8 * 1024, fileSize: services.maxInlineBytes, headerPairs: 64 },
  });

  app.post(
    `${NATIVE_BASE}/transcribe`,
    { ...TRANSCRIBE, bodyLimit: services.maxInlineBytes + MAX_ENVELOPE_BYTES },
    async (request, reply) => {
      const formatId = request.query.format;
      refuseLargeBody(request, services.maxInlineBytes);
      const upload = await readUpload(request, services.maxInlineBytes);
      const wish = parseFields(upload.fields);
      const transcript = await recognize(services, request, upload.file, wish);
      if (formatId !== 'json') {
        const format = FORMATS.find((candidate) => candidate.id === formatId);
        return reply.type(format?.mediaType ?? 'text/plain').send(format?.write(transcript));
      }
      return okBody(inlineAnswer(transcript, upload.file.length), request.id);
    },
  );
}

function inlineAnswer(transcript: Transcript, audioBytes: number): object {
  return {
    job_id: `job_${randomUUID()}`,
    transcript: transcriptText(transcript),
    backend_used: transcript.backend,
    model: transcript.model,
    language_detected: transcript.language ?? null,
    audio_duration_ms: Math.round(transcript.durationMs),
    audio_bytes: audioBytes,
    segments: transcript.utterances.map(segment),
  };
}

async function recognize(
  services: HttpServices,
  request: FastifyRequest,
  file: Buffer,
  wish: SessionWish,
): Promise<Transcript> {
  const gone = new AbortController();
  const onClose = (): void => {
    gone.abort(new EarshotError('SESSION_CONFLICT', 'The client went away.'));
  };
  request.raw.socket.once('close', onClose);
  const session = await services.openSession(request.caller, wish);
  session.countBytes(file.length);
  try {
    const audio = await services.decode(bytesOf(file), { container: 'auto' }, gone.signal);
    return await transcribe(session, audio, { signal: gone.signal });
  } finally {
    request.raw.socket.off('close', onClose);
    void session.close('finished');
  }
}

async function* bytesOf(file: Buffer): AsyncGenerator<Uint8Array, void, void> {
  const step = 64 * 1024;
  for (let offset = 0; offset < file.length; offset += step) yield file.subarray(offset, offset + step);
}

/** Says no before the body is read, where its length is declared. */
function refuseLargeBody(request: FastifyRequest, maxInlineBytes: number): void {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > maxInlineBytes + MAX_ENVELOPE_BYTES) throw tooLarge(maxInlineBytes);
}

function tooLarge(maxInlineBytes: number): EarshotError {
  const mebibytes = (maxInlineBytes / 1024 / 1024).toFixed(1);
  return new EarshotError(
    'AUDIO_TOO_LARGE',
    `The file is over the inline limit of ${mebibytes} MiB. Stream it to ${NATIVE_BASE}/stream/transcribe, which has no such limit.`,
  );
}

async function readUpload(request: FastifyRequest, maxInlineBytes: number): Promise<Upload> {
  if (!request.isMultipart()) {
    throw invalid([{ field: 'body', message: 'multipart/form-data with a part named file' }]);
  }
  const fields = new Map<string, string>();
  let file: Buffer | undefined;
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') {
        fields.set(part.fieldname, typeof part.value === 'string' ? part.value : '');
      } else {
        const bytes = await part.toBuffer();
        if (part.file.truncated) throw tooLarge(maxInlineBytes);
        if (part.fieldname === 'file') file = bytes;
      }
    }
  } catch (error) {
    throw formError(error);
  }
  if (!file) throw invalid([{ field: 'file', message: 'required: the audio file' }]);
  if (file.length === 0) throw new EarshotError('AUDIO_EMPTY', 'The file is empty.');
  return { file, fields };
}

/** The form's parser has no class for its errors: those without a status are about a form that breaks off or cannot be read. */
function formError(error: unknown): unknown {
  if (error instanceof EarshotError || (error as { readonly statusCode?: number }).statusCode !== undefined) return error;
  return new EarshotError('MESSAGE_MALFORMED', 'The form is incomplete or cannot be parsed.', { cause: error });
}

/** Checks the form's fields. */
function parseFields(fields: ReadonlyMap<string, string>): SessionWish {
  const { backend_preference: backendPreference, language_hint: hint, diarize } = parse(fieldsSchema, Object.fromEntries(fields));
  const language = parseLanguage(hint);
  return {
    transport: 'http',
    priority: 'batch',
    backendPreference: backendPreference || 'any',
    ...(diarize === 'true' && { diarize: true }),
    ...(language !== undefined && { language }),
  };
}
