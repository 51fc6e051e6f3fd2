import { randomUUID } from 'node:crypto';
import { extname } from 'node:path';
import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { invalid } from '../../../signaling/dialects/fields.ts';
import { callbackTarget, GLADIA_RECORDING, type GladiaRecording, recordingRequest } from '../../../signaling/dialects/gladia-recording.ts';
import { EarshotError } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { JobRecord } from '../../core/store/jobs.ts';
import { measureAudio, type Upload } from '../../jobs/uploads.ts';
import { tightestAllowance } from '../allowance.ts';
import { FAILURES, gladiaRoute, jobParams as params } from '../gladia/gladia-route.ts';
import type { GladiaJob } from '../gladia/job-json.ts';
import { filterOf, keptJobs, listQuery, listSchema, pageOf } from '../gladia/listing.ts';
import { RECORDED, recordedJob, type RecordedRequest } from '../gladia/recorded-job.ts';
import { requirePermission } from '../permissions.ts';
import { file, noContent, type Routes } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';
import { bareId, checkAddress } from '../streamed-recordings.ts';
import { MAX_ENVELOPE_BYTES, readForm, stored } from '../upload.ts';
import { parse } from '../validation.ts';

const BASE = '/v2/pre-recorded';
/** Path of an upload's address, before its token. */
const UPLOADED = '/file/';

const jobSchema = z.looseObject({ id: z.string(), status: z.enum(['queued', 'processing', 'done', 'error']), kind: z.literal('pre-recorded') });
const uploadSchema = z.object({
  audio_url: z.string(),
  audio_metadata: z.object({ id: z.string(), filename: z.string(), source: z.string().optional(), extension: z.string(), size: z.number(), audio_duration: z.number(), number_of_channels: z.number() }),
});

/** Gladia's recorded API (v2): a file is uploaded, or at an address; it becomes a job, which is polled, or told to a callback. */
export function gladiaRecordedRoutes(app: Routes, services: HttpServices): void {
  uploadRoute(app, services);
  submitRoute(app, services);
  readingRoutes(app, services);

  const remove = gladiaRoute(services, { summary: 'Delete a transcription that has ended', params, response: { 202: noContent, ...FAILURES }, errors: ['SESSION_CONFLICT'] });
  app.delete(`${BASE}/:id`, remove, async (request, reply) => {
    const { status, id } = await found(services, request.caller, request.params.id);
    if (status === 'queued' || status === 'running') throw new EarshotError('SESSION_CONFLICT', 'The transcription is still going on.');
    await services.jobs.delete(request.caller, id);
    return reply.status(202).send();
  });
}

function uploadRoute(app: Routes, services: HttpServices): void {
  const { uploads, blobs, jobs, decode, maxUploadBytes } = services;
  const upload = gladiaRoute(services, {
    summary: 'Upload a recording for a transcription',
    description: 'Or JSON with the `audio_url` of one, which is fetched. The answer’s `audio_url` is good for an hour at least, in any number of transcriptions.',
    form: z.object({ audio: file('An audio or video file.') }),
    response: { 200: uploadSchema, ...FAILURES },
    errors: ['AUDIO_EMPTY', 'AUDIO_MALFORMED', 'AUDIO_TOO_LARGE', 'AUDIO_TRUNCATED', 'AUDIO_UNSUPPORTED', 'BACKEND_UNAVAILABLE', 'QUOTA_EXCEEDED', 'URL_NOT_ALLOWED', 'URL_NOT_FOUND', 'URL_UNREACHABLE'],
  });
  app.post('/v2/upload', { ...upload, bodyLimit: maxUploadBytes + MAX_ENVELOPE_BYTES }, async (request) => {
    const { tenantId } = request.caller;
    await jobs.checkRoom(request.caller);
    const gone = goneSignal(request);
    const { blob, size, filename, source } = request.isMultipart() ? await sentFile(services, request) : await fetchedFile(services, request, gone);
    try {
      const measured = await measureAudio(decode, blobs.read(blob), gone);
      const kept: Upload = { blob, bytes: size, id: randomUUID(), filename, ...measured };
      return {
        audio_url: `${request.protocol}://${request.host}${UPLOADED}${uploads.tokenOf(tenantId, kept)}`,
        audio_metadata: {
          id: kept.id,
          filename: filename ?? '',
          ...(source !== undefined && { source }),
          extension: extname(filename ?? '').slice(1).toLowerCase(),
          size,
          audio_duration: measured.durationMs / 1000,
          number_of_channels: measured.channels,
        },
      };
    } catch (error) {
      await blobs.delete(blob);
      throw error;
    }
  });
}

interface ReceivedFile {
  readonly blob: string;
  readonly size: number;
  readonly filename: string | null;
  readonly source?: string;
}

async function sentFile({ blobs, maxInlineBytes, maxUploadBytes }: HttpServices, request: FastifyRequest): Promise<ReceivedFile> {
  const { file: sent, filename } = await readForm(request, blobs, { maxHeldBytes: maxInlineBytes, maxUploadBytes, names: ['audio'] });
  if (!sent) throw invalid([{ field: 'audio', message: 'required: the file' }]);
  if (sent.kind === 'held' && sent.bytes.length === 0) throw new EarshotError('AUDIO_EMPTY', 'The file is empty.');
  return { ...(await stored(sent, blobs)), filename: filename ?? null };
}

async function fetchedFile(services: HttpServices, request: FastifyRequest, gone: AbortSignal): Promise<ReceivedFile> {
  const { audio_url: url } = parse(z.object({ audio_url: z.string().min(1).max(4096) }), request.body ?? {});
  checkAddress(services, 'audio_url', url);
  const { name: blob, bytes: size } = await services.blobs.write(await services.jobs.openUrl(url, services.maxUploadBytes, gone), { maxBytes: services.maxUploadBytes, signal: gone });
  return { blob, size, filename: URL.parse(url)?.pathname.split('/').at(-1) ?? null, source: url };
}

/** Aborts when the client goes away. */
function goneSignal(request: FastifyRequest): AbortSignal {
  const gone = new AbortController();
  request.raw.socket.once('close', () => {
    gone.abort(new EarshotError('SESSION_CONFLICT', 'The client went away.'));
  });
  return gone.signal;
}

function submitRoute(app: Routes, services: HttpServices): void {
  const { jobs, uploads } = services;
  const submit = gladiaRoute(services, {
    summary: 'Transcribe a recording',
    body: GLADIA_RECORDING,
    response: { 201: z.object({ id: z.string(), result_url: z.string() }), ...FAILURES },
    errors: ['BUDGET_EXCEEDED', 'QUOTA_EXCEEDED', 'AUTH_INSUFFICIENT_SCOPE', 'NOT_FOUND'],
  });
  app.post(BASE, submit, async (request, reply) => {
    const { caller } = request;
    const options: GladiaRecording = request.body;
    const wish = recordingRequest(options);
    if (wish.diarize === true) requirePermission(caller, 'scaiecho:diarize');
    const target = callbackTarget(options);
    if (target) checkAddress(services, options.callback ? 'callback_config.url' : 'callback_url', target.url);
    const upload = uploadAt(request, options.audio_url, (token) => uploads.open(caller.tenantId, token));
    if (!upload) checkAddress(services, 'audio_url', options.audio_url);
    const allowance = await tightestAllowance(services, caller);
    if (allowance?.leftSamples === 0) throw new EarshotError('BUDGET_EXCEEDED', 'The budget for this period is used up.');
    await jobs.checkRoom(caller);
    const extra: RecordedRequest = { options, upload: upload ? { id: upload.id, filename: upload.filename, channels: upload.channels } : null };
    const source = upload ? { kind: 'upload' as const, ...(await uploads.copy(upload)) } : { kind: 'url' as const, url: options.audio_url };
    const job = await jobs.submit(caller, source, { ...wish, dialect: RECORDED, extra: { ...extra } });
    const id = bareId(job.id);
    return reply.status(201).send({ id, result_url: `${request.protocol}://${request.host}${BASE}/${id}` });
  });
}

/** The upload that an address is of; undefined for any other address. Throws `VALIDATION_ERROR` for one of ours that is not known (any more). */
function uploadAt(request: FastifyRequest, address: string, open: (token: string) => Upload | undefined): Upload | undefined {
  const url = URL.parse(address);
  if (url?.pathname.startsWith(UPLOADED) !== true) return undefined;
  // Proxies may have changed the host: the token tells.
  const upload = open(url.pathname.slice(UPLOADED.length));
  if (!upload && url.host === request.host) throw invalid([{ field: 'audio_url', message: 'an upload of yours' }]);
  return upload;
}

function readingRoutes(app: Routes, services: HttpServices): void {
  const { jobs, blobs } = services;
  const list = gladiaRoute(services, {
    summary: 'List transcriptions, newest first',
    description: 'Filters also: `custom_metadata[name]=value`.',
    querystring: listQuery,
    response: { 200: listSchema(jobSchema), ...FAILURES },
  });
  app.get(BASE, list, (request) =>
    pageOf(request, async (count) => {
      const { tenantId } = request.caller;
      const kept = await keptJobs(jobs, { tenantId, dialect: RECORDED }, filterOf(request.query), count, (job) => ({ ...recordedJob(job, undefined), job }));
      const { offset } = request.query;
      // The transcripts of this page alone.
      return Promise.all(kept.slice(0, count).map(async ({ job, ...told }, index) => (index < offset ? told : withTranscript(services, job))));
    }),
  );

  const get = gladiaRoute(services, { summary: 'A transcription with its result', params, response: { 200: jobSchema, ...FAILURES } });
  app.get(`${BASE}/:id`, get, async (request) => withTranscript(services, await found(services, request.caller, request.params.id)));

  const audio = gladiaRoute(services, { summary: 'The file of a transcription', params, response: { 200: z.string(), ...FAILURES }, texts: ['application/octet-stream'] });
  app.get(`${BASE}/:id/file`, audio, async (request, reply) => {
    const { source } = await found(services, request.caller, request.params.id);
    if (source.kind !== 'upload') throw new EarshotError('NOT_FOUND', 'The file is not here.');
    const bytes = Readable.from(blobs.read(source.blob), { objectMode: false });
    // What is not there is found out before the answer begins.
    await new Promise<void>((resolve, reject) => bytes.once('readable', resolve).once('error', reject));
    return reply.type('application/octet-stream').send(bytes);
  });
}

async function withTranscript({ transcripts }: HttpServices, job: JobRecord): Promise<GladiaJob> {
  const newest = job.status === 'completed' ? await transcripts.get(job.tenantId, job.id) : undefined;
  return recordedJob(job, newest?.transcript);
}

/** Throws `NOT_FOUND`. */
async function found({ jobs }: HttpServices, { tenantId }: Principal, id: string): Promise<JobRecord> {
  const job = await jobs.get(tenantId, `job_${id}`);
  if (job.request.dialect !== RECORDED) throw new EarshotError('NOT_FOUND', 'No such transcription.');
  return job;
}
