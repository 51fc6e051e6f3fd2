import { randomUUID } from 'node:crypto';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { invalid } from '../../../signaling/dialects/fields.ts';
import { segment } from '../../../signaling/dialects/scaiecho.ts';
import type { SessionWish } from '../../core/admission.ts';
import { EarshotError } from '../../core/errors.ts';
import { transcribe, transcriptText, type Transcript } from '../../core/session/transcribe.ts';
import { FORMATS } from '../../formats/index.ts';
import { okBody } from '../envelope.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import { parseChoice, parseLanguage } from '../validation.ts';

const PREFERENCES = ['any', 'prefer_self_hosted', 'prefer_relay'] as const;
const FORMAT_IDS = ['json', 'text', 'srt', 'vtt'] as const;
const BOOLEANS = ['false', 'true'] as const;
/** Fields and part headers around the file. */
const MAX_ENVELOPE_BYTES = 64 * 1024;

interface Upload {
  readonly file: Buffer;
  readonly fields: ReadonlyMap<string, string>;
}

/**
 * `POST transcribe`: a whole file in, its transcript out. The upload is held in memory up to the inline limit, because a form's
 * fields may follow its file; from there on it is decoded and recognized as a stream.
 */
export async function transcribeRoutes(app: FastifyInstance, services: HttpServices): Promise<void> {
  await app.register(multipart, {
    throwFileSizeLimit: false,
    limits: { files: 1, fields: 32, fieldSize: 8 * 1024, fileSize: services.maxInlineBytes, headerPairs: 64 },
  });

  app.post<{ Querystring: { readonly format?: string } }>(
    `${NATIVE_BASE}/transcribe`,
    { config: { permission: 'scaiecho:transcribe' }, bodyLimit: services.maxInlineBytes + MAX_ENVELOPE_BYTES },
    async (request, reply) => {
      const formatId = parseChoice('format', request.query.format, FORMAT_IDS);
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
  const backendPreference = parseChoice('backend_preference', fields.get('backend_preference'), PREFERENCES);
  if (parseChoice('force_async', fields.get('force_async'), BOOLEANS) === 'true') {
    throw invalid([{ field: 'force_async', message: 'jobs are not offered by this server yet' }]);
  }
  const diarize = parseChoice('diarize', fields.get('diarize'), BOOLEANS) === 'true';
  const temperature = Number(fields.get('temperature') ?? 0);
  if (!(temperature >= 0 && temperature <= 1)) throw invalid([{ field: 'temperature', message: 'a number from 0 to 1' }]);
  const language = parseLanguage(fields.get('language_hint'));
  return { transport: 'http', priority: 'batch', backendPreference, ...(diarize && { diarize }), ...(language !== undefined && { language }) };
}
