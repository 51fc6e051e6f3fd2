import multipart from '@fastify/multipart';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { invalid } from '../../../signaling/dialects/fields.ts';
import { segment } from '../../../signaling/dialects/scaiecho.ts';
import type { SessionWish } from '../../core/admission.ts';
import { EarshotError } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { JobRequest } from '../../core/store/jobs.ts';
import { transcriptText, type Transcript } from '../../core/session/transcribe.ts';
import { okBody } from '../envelope.ts';
import { EXPORT_TYPES, exported, exportQuery } from '../export-query.ts';
import { segmentSchema } from '../job-json.ts';
import { requirePermission } from '../permissions.ts';
import { recognizeUpload } from '../recognize-upload.ts';
import { chunksOf, discard, MAX_ENVELOPE_BYTES, readForm, stored, type UploadedFile, type UploadedForm } from '../upload.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import { answer, file, RECOGNITION_ERRORS, route, type Routes, SESSION_ERRORS } from '../route-schema.ts';
import { parse, parseLanguage } from '../validation.ts';

const PREFERENCES = ['any', 'prefer_self_hosted', 'prefer_relay'] as const;

const yesNo = z.enum(['false', 'true', '']).optional();
const fieldsSchema = z.object({
  language_hint: z.string().optional().describe('Two letters of ISO 639-1.'),
  backend_preference: z.enum([...PREFERENCES, '']).default('any').describe('A wish; the policy of the tenant has the last word.'),
  model: z.string().max(200).optional().describe('Name of a model. Default: the best that is allowed and understands the language.'),
  chunk_seconds: z.coerce.number().positive().max(60).optional().describe('Audio that a chunked relay collects before it transcribes. Default 5.'),
  temperature: z.coerce.number().min(0).max(1).optional(),
  force_async: yesNo.describe('Answer 202 with a job, however small the file.'),
  diarize: yesNo.describe('Label the words with their speakers; needs `scaiecho:diarize`.'),
  url: z.string().optional().describe('In place of a file: a public address to take it from. Always answered with a job.'),
  callback_url: z.string().optional().describe('A public address that is told when the job has ended. Always answered with a job.'),
});
const formSchema = fieldsSchema.extend({ file: file('WAV, MP3, FLAC, Ogg, M4A/MP4 or WebM, at most 8 channels. Its first bytes tell which.').optional() });
/** JSON clients write numbers and truth as such. */
const jsonSchema = z.record(z.string(), z.union([z.string(), z.number().transform(String), z.boolean().transform(String), z.null().transform(() => '')]));

const transcriptSchema = z.object({
  job_id: z.string().nullable().describe('The job under which the answer can be read again; null where transcripts are not kept.'),
  transcript: z.string(),
  backend_used: z.string(),
  model: z.string().optional(),
  language_detected: z.string().nullable(),
  audio_duration_ms: z.number().int(),
  audio_bytes: z.number().int(),
  segments: z.array(segmentSchema).describe('The utterances of all channels in the order of their start; times in seconds.'),
});
const queuedSchema = z.object({ job_id: z.string(), status: z.literal('queued'), audio_bytes: z.number().int().nullable(), note: z.string() });

const TRANSCRIBE = route('scaiecho:transcribe', {
  tag: 'Files',
  summary: 'Transcribe a recording',
  description: 'A file over the inline limit, `force_async`, `url` and `callback_url` are answered with 202 and a job. Fields without a file may also be sent as a JSON object.',
  querystring: exportQuery,
  form: formSchema,
  response: { 200: answer(transcriptSchema), 202: answer(queuedSchema) },
  texts: EXPORT_TYPES,
  errors: [...SESSION_ERRORS, ...RECOGNITION_ERRORS, 'QUOTA_EXCEEDED'],
});

interface Wish {
  readonly session: SessionWish;
  readonly job: JobRequest;
  readonly url: string | undefined;
  readonly isJob: boolean;
}

/**
 * `POST transcribe`: a whole file in, its transcript out; or, for what takes long, a job. Up to the inline limit the upload is held in
 * memory, because a form's fields may follow its file; beyond it goes to the blob store as it comes.
 */
export async function transcribeRoutes(app: Routes, services: HttpServices): Promise<void> {
  await app.register(multipart, {
    throwFileSizeLimit: false,
    // One more than is taken: the parser falls silent over its own limit while the file before is still being read.
    limits: { files: 2, fields: 32, fieldSize: 8 * 1024, fileSize: services.maxUploadBytes + 1, headerPairs: 64 },
  });

  app.post(
    `${NATIVE_BASE}/transcribe`,
    { ...TRANSCRIBE, bodyLimit: services.maxUploadBytes + MAX_ENVELOPE_BYTES },
    async (request, reply) => {
      const upload = await readRequest(services, request);
      const wish = await checked(services, request, upload);
      if (wish.isJob || upload.file?.kind === 'stored') return queue(services, request, reply, upload.file, wish);
      if (!upload.file) throw invalid([{ field: 'file', message: 'required: the audio file, or `url`' }]);
      const { bytes } = upload.file;
      const { session, transcript: whole } = await recognizeUpload(services, request, { open: () => chunksOf(bytes) }, wish.session);
      const transcript = await whole;
      if (request.query.format !== 'json') {
        const { mediaType, text } = exported(transcript, request.query);
        return reply.type(mediaType).send(text);
      }
      return okBody(inlineAnswer(session.jobId, transcript, bytes.length), request.id);
    },
  );
}

async function readRequest(services: HttpServices, request: FastifyRequest): Promise<UploadedForm> {
  const { maxInlineBytes, maxUploadBytes, blobs, jobs } = services;
  if (request.isMultipart()) {
    const declared = Number(request.headers['content-length'] ?? 0);
    if (declared > maxInlineBytes + MAX_ENVELOPE_BYTES) await jobs.checkRoom(request.caller);
    const form = await readForm(request, blobs, { maxHeldBytes: maxInlineBytes, maxUploadBytes });
    if (form.file?.kind === 'held' && form.file.bytes.length === 0) throw new EarshotError('AUDIO_EMPTY', 'The file is empty.');
    return form;
  }
  if (typeof request.body === 'object' && request.body !== null) return { file: undefined, filename: undefined, fields: new URLSearchParams(parse(jsonSchema, request.body)) };
  throw invalid([{ field: 'body', message: 'multipart/form-data with a part named file, or JSON with url' }]);
}

async function checked(services: HttpServices, request: FastifyRequest, upload: UploadedForm): Promise<Wish> {
  try {
    return parseFields(services, request.caller, upload);
  } catch (error) {
    await discard(upload.file, services.blobs);
    throw error;
  }
}

/** 202: the job and its audio are on the disk before the client hears of it. */
async function queue(services: HttpServices, request: FastifyRequest, reply: FastifyReply, upload: UploadedFile | undefined, wish: Wish): Promise<FastifyReply> {
  const { jobs, blobs } = services;
  const source = upload ? await stored(upload, blobs) : undefined;
  const audio = source ? ({ kind: 'upload', blob: source.blob, bytes: source.size } as const) : ({ kind: 'url', url: wish.url ?? '' } as const);
  const job = await jobs.submit(request.caller, audio, wish.job);
  const location = `${NATIVE_BASE}/transcribe/jobs/${job.id}`;
  const body = { job_id: job.id, status: 'queued', audio_bytes: job.audioBytes, note: `The transcript will be at ${location}.` };
  return reply.status(202).header('location', location).send(okBody(body, request.id));
}

function inlineAnswer(jobId: string | undefined, transcript: Transcript, audioBytes: number): object {
  return {
    job_id: jobId ?? null,
    transcript: transcriptText(transcript),
    backend_used: transcript.backend,
    model: transcript.model,
    language_detected: transcript.language ?? null,
    audio_duration_ms: Math.round(transcript.durationMs),
    audio_bytes: audioBytes,
    segments: transcript.utterances.map(segment),
  };
}

/** Checks the form's fields, and that the caller may have what they ask for. */
function parseFields(services: HttpServices, caller: Principal, { file: upload, fields }: UploadedForm): Wish {
  const values = parse(fieldsSchema, Object.fromEntries(fields));
  const url = filled(values.url);
  const callbackUrl = filled(values.callback_url);
  checkAddress(services, 'url', url);
  checkAddress(services, 'callback_url', callbackUrl);
  if (upload && url !== undefined) throw invalid([{ field: 'url', message: 'a file or an address, not both' }]);
  if (!upload && url === undefined) throw invalid([{ field: 'file', message: 'required: the audio file, or `url`' }]);
  if (values.diarize === 'true') requirePermission(caller, 'scaiecho:diarize');
  const language = parseLanguage(values.language_hint);
  const model = filled(values.model);
  const wanted = {
    backendPreference: values.backend_preference || 'any',
    ...(model !== undefined && { model }),
    ...(values.chunk_seconds !== undefined && { chunkSeconds: values.chunk_seconds }),
    ...(values.diarize === 'true' && { diarize: true }),
    ...(language !== undefined && { language }),
  } as const;
  return {
    session: { ...wanted, transport: 'http', priority: 'batch' },
    job: { ...wanted, ...(callbackUrl !== undefined && { callbackUrl }) },
    url,
    isJob: values.force_async === 'true' || url !== undefined || callbackUrl !== undefined,
  };
}

/** A field that is left empty is not there. */
const filled = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

function checkAddress(services: HttpServices, field: string, address: string | undefined): void {
  const refusal = address === undefined ? undefined : services.jobs.addressRefusal(address);
  if (refusal !== undefined) throw invalid([{ field, message: refusal }]);
}
