import { z } from 'zod';
import { EarshotError } from '../../core/errors.ts';
import type { Transcript } from '../../core/session/transcribe.ts';
import { okBody } from '../envelope.ts';
import { EXPORT_TYPES, exported, exportQuery } from '../export-query.ts';
import { jobJson, jobSchema, segmentSchema } from '../job-json.ts';
import { answer, noContent, route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import { editedTranscript, editSchema } from '../transcript-edit.ts';
import { segment } from '../../../signaling/dialects/scaiecho.ts';

const TAG = 'Jobs';
const params = z.object({ id: z.string().max(100) });
const page = { limit: z.coerce.number().int().min(1).max(200).default(50), after: z.string().max(500).optional().describe('`next` of the page before.') };
const next = z.string().nullable().describe('Opens the following page; null on the last.');
const version = z.object({ version: z.number().int(), created_at: z.string(), edited_by: z.string().nullable().describe('The key that edited; null for what was recognized.') });
const transcriptSchema = version.extend({ job_id: z.string(), segments: z.array(segmentSchema) });

const LIST = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'List jobs, newest first, without their transcripts',
  querystring: z.object({ ...page, status: jobSchema.shape.status.optional() }),
  response: { 200: answer(z.object({ jobs: z.array(jobSchema), next })) },
});
const READ = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'Read a job, with its transcript once it is completed',
  params,
  querystring: exportQuery,
  response: { 200: answer(jobSchema) },
  texts: EXPORT_TYPES,
  errors: ['SESSION_CONFLICT'],
});
const DELETE = route('scaiecho:transcribe', { tag: TAG, summary: 'Delete a job, its transcript and its audio', params, response: { 204: noContent } });
const CANCEL = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'Cancel a job that has not ended',
  params,
  response: { 200: answer(jobSchema) },
  errors: ['SESSION_CONFLICT'],
});
const READ_TRANSCRIPT = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'Read a version of a transcript',
  params,
  querystring: exportQuery.extend({ version: z.coerce.number().int().min(1).optional().describe('Default: the newest.') }),
  response: { 200: answer(transcriptSchema) },
  texts: EXPORT_TYPES,
});
const EDIT_TRANSCRIPT = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'Add an edited version of a transcript',
  description: 'Answers `SESSION_CONFLICT` if somebody else edited since `base_version`: read again and merge.',
  params,
  body: editSchema,
  response: { 200: answer(transcriptSchema) },
  errors: ['SESSION_CONFLICT'],
});
const VERSIONS = route('scaiecho:transcribe', { tag: TAG, summary: 'List the versions of a transcript', params, response: { 200: answer(z.object({ versions: z.array(version) })) } });
const SEARCH = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'Find jobs whose transcript has all of the words',
  querystring: z.object({ ...page, q: z.string().min(1).max(500) }),
  response: { 200: answer(z.object({ results: z.array(z.object({ job_id: z.string(), excerpt: z.string() })), next })) },
});

const MAX_EDIT_BYTES = 16 * 1024 * 1024;
const BASE = `${NATIVE_BASE}/transcribe/jobs`;

/** Jobs of the caller's tenant, and their transcripts in all versions. */
export function jobRoutes(app: Routes, services: HttpServices): void {
  const { jobs, transcripts } = services;

  app.get(BASE, LIST, async (request) => {
    const { limit, after, status } = request.query;
    const found = await jobs.list(request.caller.tenantId, status === undefined ? {} : { status }, { limit, ...(after !== undefined && { after }) });
    return okBody({ jobs: found.items.map((job) => jobJson(job)), next: found.next ?? null }, request.id);
  });

  app.get(`${BASE}/:id`, READ, async (request, reply) => {
    const { tenantId } = request.caller;
    const job = await jobs.get(tenantId, request.params.id);
    const newest = job.status === 'completed' ? await transcripts.get(tenantId, job.id) : undefined;
    const { query } = request;
    if (query.format === 'json') return okBody(jobJson(job, newest?.transcript ?? null), request.id);
    if (!newest) throw new EarshotError('SESSION_CONFLICT', `There is no transcript: the job is ${job.status}.`);
    const written = exported(newest.transcript, query);
    return reply.type(written.mediaType).send(written.text);
  });

  app.delete(`${BASE}/:id`, DELETE, async (request, reply) => {
    await jobs.delete(request.caller, request.params.id);
    return reply.status(204).send();
  });

  app.post(`${BASE}/:id/cancel`, CANCEL, async (request) => {
    return okBody(jobJson(await jobs.cancel(request.caller, request.params.id), null), request.id);
  });

  transcriptRoutes(app, services);
}

function transcriptRoutes(app: Routes, { transcripts, jobs }: HttpServices): void {
  const read = async (tenantId: string, id: string, wanted?: number): Promise<{ readonly body: object; readonly transcript: Transcript }> => {
    const found = await transcripts.get(tenantId, id, wanted);
    if (!found) throw new EarshotError('NOT_FOUND', 'No such transcript.');
    const { transcript } = found;
    return { body: { ...versionJson(found), job_id: id, segments: transcript.utterances.map(segment) }, transcript };
  };

  app.get(`${BASE}/:id/transcript`, READ_TRANSCRIPT, async (request, reply) => {
    const { query } = request;
    const { transcript, body } = await read(request.caller.tenantId, request.params.id, query.version);
    if (query.format === 'json') return okBody(body, request.id);
    const written = exported(transcript, query);
    return reply.type(written.mediaType).send(written.text);
  });

  app.put(`${BASE}/:id/transcript`, { ...EDIT_TRANSCRIPT, bodyLimit: MAX_EDIT_BYTES }, async (request) => {
    const { tenantId } = request.caller;
    const { id } = request.params;
    const { base_version: baseVersion, segments } = request.body;
    const base = await read(tenantId, id);
    await jobs.edit(request.caller, id, baseVersion, editedTranscript(base.transcript, segments));
    return okBody((await read(tenantId, id)).body, request.id);
  });

  app.get(`${BASE}/:id/transcript/versions`, VERSIONS, async (request) => {
    const job = await jobs.get(request.caller.tenantId, request.params.id);
    const list = await transcripts.versions(request.caller.tenantId, job.id);
    return okBody({ versions: list.map(versionJson) }, request.id);
  });

  app.get(`${NATIVE_BASE}/transcribe/search`, SEARCH, async (request) => {
    const { q, limit, after } = request.query;
    const found = await transcripts.search(request.caller.tenantId, q, { limit, ...(after !== undefined && { after }) });
    return okBody({ results: found.items.map(({ jobId, excerpt }) => ({ job_id: jobId, excerpt })), next: found.next ?? null }, request.id);
  });
}

function versionJson({ version: number, createdAtMs, editedBy }: { readonly version: number; readonly createdAtMs: number; readonly editedBy: string | null }): object {
  return { version: number, created_at: new Date(createdAtMs).toISOString(), edited_by: editedBy };
}
