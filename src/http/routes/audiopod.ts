import { Readable } from 'node:stream';
import { z } from 'zod';
import { AUDIOPOD_BASE } from '../../../signaling/dialects/audiopod.ts';
import { AUDIOPOD_STATUS, audioPodJob, audioPodTranscript } from '../../../signaling/dialects/audiopod-jobs.ts';
import { EarshotError } from '../../core/errors.ts';
import type { JobRecord, JobStatus } from '../../core/store/jobs.ts';
import { findJob, findTranscript } from '../audiopod-record.ts';
import { audioPodRoute } from '../audiopod-route.ts';
import { EXPORT_TYPES, exported } from '../export-query.ts';
import { noContent, type Routes } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';
import { parse } from '../validation.ts';
import { audioPodAccountRoutes } from './audiopod-account.ts';
import { audioPodEditRoutes } from './audiopod-edit.ts';
import { audioPodSubmitRoutes } from './audiopod-submit.ts';
import { audioPodWebhookRoutes } from './audiopod-webhooks.ts';

const STATUSES = Object.values(AUDIOPOD_STATUS);
/** Jobs that may be skipped: they are read to be skipped. */
const MAX_OFFSET = 10_000;
const PAGE = 200;
const NOT_WRITTEN = ['pdf', 'docx', 'html'] as const;
const isWritten = <T extends string>(format: T): format is Exclude<T, (typeof NOT_WRITTEN)[number]> => !NOT_WRITTEN.some((each) => each === format);

const params = z.object({ id: z.string().max(20) });
const count = z.coerce.number().int().min(0).max(MAX_OFFSET);
const listQuery = z.object({ status: z.string().max(20).optional(), limit: z.coerce.number().int().min(1).max(PAGE).default(50), offset: count.optional(), skip: count.optional() });
const exportQuery = z.object({ format: z.enum(['json', 'txt', 'srt', 'vtt', 'pdf', 'docx', 'html']).default('json').describe('`pdf`, `docx` and `html` are refused with 422.') });

const LIST = audioPodRoute('scaiecho:transcribe', { summary: 'List jobs, newest first, as AudioPod does', querystring: listQuery, response: { 200: z.object({ jobs: z.array(z.looseObject({})), total: z.number(), limit: z.number(), offset: z.number() }) } });
const READ = audioPodRoute('scaiecho:transcribe', { summary: 'Read a job, as AudioPod does', params, response: { 200: z.looseObject({ id: z.number(), status: z.string() }) } });
const TRANSCRIPT = audioPodRoute('scaiecho:transcribe', { summary: 'Read a transcript, as AudioPod does', params, querystring: exportQuery, response: { 200: z.looseObject({ job_id: z.number() }) }, texts: EXPORT_TYPES });
const AUDIO = audioPodRoute('scaiecho:transcribe', { summary: 'Read the stored audio of a job, as AudioPod does', params: params.extend({ index: z.string().max(10) }), response: { 200: z.string() }, texts: ['application/octet-stream'] });
const DELETE = audioPodRoute('scaiecho:transcribe', { summary: 'Delete a job, as AudioPod does', params, response: { 204: noContent } });

/** AudioPod's jobs below `/api/v1`: any job of the caller's tenant, by its number. Errors have the vendor's shape. */
export function audioPodRoutes(app: Routes, services: HttpServices): void {
  listRoutes(app, services);
  recordRoutes(app, services);
  audioPodEditRoutes(app, services);
  audioPodSubmitRoutes(app, services);
  audioPodAccountRoutes(app, services);
  audioPodWebhookRoutes(app, services);
}

function listRoutes(app: Routes, services: HttpServices): void {
  const { jobs, transcripts } = services;

  app.get(`${AUDIOPOD_BASE}/jobs`, LIST, async (request) => {
    const { tenantId } = request.caller;
    const { limit, offset = request.query.skip ?? 0 } = request.query;
    const status = statusOf(request.query.status);
    const found = await firstJobs(services, tenantId, status, offset + limit);
    const shown = found.slice(offset, offset + limit);
    const numbers = await jobs.numbers(tenantId, shown.map(({ id }) => id));
    return { jobs: shown.map((job, index) => audioPodJob(job, numbers[index] ?? 0)), total: found.length, limit, offset };
  });

  for (const path of ['jobs/:id', 'status/:id']) {
    app.get(`${AUDIOPOD_BASE}/${path}`, READ, async (request) => {
      const { job, number } = await findJob(services, request.caller.tenantId, request.params.id);
      const newest = job.status === 'completed' ? await transcripts.get(job.tenantId, job.id) : undefined;
      return audioPodJob(job, number, newest?.transcript);
    });
  }
}

function recordRoutes(app: Routes, services: HttpServices): void {
  const { jobs } = services;

  for (const path of ['jobs/:id/transcript', 'transcript/:id', 'result/:id']) {
    app.get(`${AUDIOPOD_BASE}/${path}`, TRANSCRIPT, async (request, reply) => {
      const { format } = request.query;
      const { number, version } = await findTranscript(services, request.caller.tenantId, request.params.id);
      if (!isWritten(format)) throw new EarshotError('VALIDATION_ERROR', `This server writes no ${format}: json, txt, srt or vtt.`);
      if (format === 'json') return audioPodTranscript(version.transcript, number);
      const written = exported(version.transcript, { format, speakers: true, paragraphs: false });
      return reply.type(written.mediaType).header('content-disposition', `attachment; filename="transcript_${String(number)}.${format}"`).send(written.text);
    });
  }

  app.get(`${AUDIOPOD_BASE}/jobs/:id/audio/:index`, AUDIO, async (request, reply) => {
    const { job } = await findJob(services, request.caller.tenantId, request.params.id);
    return reply.type('application/octet-stream').send(await keptAudio(services, job, request.params.index));
  });

  app.delete(`${AUDIOPOD_BASE}/jobs/:id`, DELETE, async (request, reply) => {
    const { job } = await findJob(services, request.caller.tenantId, request.params.id);
    await jobs.delete(request.caller, job.id);
    return reply.status(204).send();
  });
}

async function firstJobs({ jobs }: HttpServices, tenantId: string, status: JobStatus | undefined, wanted: number): Promise<readonly JobRecord[]> {
  const found: JobRecord[] = [];
  for (let after: string | undefined; ; ) {
    const page = await jobs.list(tenantId, status === undefined ? {} : { status }, { limit: Math.min(PAGE, wanted - found.length), ...(after !== undefined && { after }) });
    found.push(...page.items);
    after = page.next;
    if (after === undefined || found.length >= wanted) return found;
  }
}

function statusOf(name: string | undefined): JobStatus | undefined {
  if (name === undefined || name === '') return undefined;
  const wanted = parse(z.object({ status: z.enum(STATUSES) }), { status: name.toUpperCase() }).status;
  return Object.entries(AUDIOPOD_STATUS).find(([, each]) => each === wanted)?.[0] as JobStatus;
}

/** Throws `NOT_FOUND`: live sessions have no audio, and other jobs lose theirs when they end, unless it is kept. */
async function keptAudio({ blobs }: HttpServices, { source }: JobRecord, index: string): Promise<Readable> {
  if (source.kind !== 'upload' || index !== '0') throw new EarshotError('NOT_FOUND', 'The audio is not kept.');
  const audio = Readable.from(blobs.read(source.blob), { objectMode: false });
  // What is not there is found out before the answer begins.
  await new Promise<void>((resolve, reject) => audio.once('readable', resolve).once('error', reject));
  return audio;
}
