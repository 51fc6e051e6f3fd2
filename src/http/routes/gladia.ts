import { Readable } from 'node:stream';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { authorization } from '../../../signaling/dialects/fields.ts';
import { customMetadata, GLADIA_INIT, MAX_METADATA_BYTES } from '../../../signaling/dialects/gladia-init.ts';
import { gladiaError } from '../../../signaling/dialects/gladia-results.ts';
import { EarshotError } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { JobRecord } from '../../core/store/jobs.ts';
import { httpError } from '../envelope.ts';
import { endedJob, recordOf, runningJob, type LiveJob } from '../gladia/job-json.ts';
import { wavOf } from '../gladia/wav-file.ts';
import type { LiveSession } from '../gladia/live-sessions.ts';
import { noContent, route, type Routes, SESSION_ERRORS } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';
import type { SocketRoute } from '../upgrades.ts';

const TAG = 'Gladia';
const PAGE = 200;
/** Jobs that a filter looks through at most. */
const MAX_LISTED = 10_000;

const errorSchema = z
  .object({ timestamp: z.iso.datetime(), path: z.string(), request_id: z.string(), statusCode: z.number(), message: z.string(), validation_errors: z.array(z.string()).optional() })
  .describe('An error as Gladia tells it.');
const FAILURES = { 400: errorSchema, 401: errorSchema, 403: errorSchema, 404: errorSchema, 413: errorSchema, 429: errorSchema, 500: errorSchema, 502: errorSchema, 503: errorSchema };

const jobSchema = z.looseObject({ id: z.string(), status: z.enum(['queued', 'processing', 'done', 'error']), kind: z.literal('live') });
const params = z.object({ id: z.string() });
const listQuery = z.looseObject({
  offset: z.coerce.number().int().min(0).max(MAX_LISTED).default(0),
  limit: z.coerce.number().int().min(1).max(PAGE).default(20),
  date: z.string().optional().describe('Of this day.'),
  before_date: z.string().optional(),
  after_date: z.string().optional(),
  status: z.union([z.string(), z.array(z.string())]).optional().describe('May be repeated.'),
});

/** A route whose key comes and whose errors go the vendor's way. */
const live = <const T extends Parameters<typeof route>[1]>(services: HttpServices, schema: T) => {
  const { config, ...rest } = route('scaiecho:transcribe', schema);
  return {
    ...rest,
    config: {
      ...config,
      credential: ({ headers }: Parameters<typeof authorization>[0] extends infer Headers ? { readonly headers: Headers } : never) =>
        [headers['x-gladia-key']].flat()[0] ?? authorization(headers, 'Bearer'),
    },
    errorHandler: (thrown: FastifyError | EarshotError, request: FastifyRequest, reply: FastifyReply) => {
      const error = httpError(thrown);
      if (error.rule.httpStatus >= 500) services.log.error({ requestId: request.id, code: error.code, err: error.cause ?? error }, 'request failed');
      const { status, headers, body } = gladiaError(error, `G-${request.id.slice(4, 12)}`, request.url.split('?')[0] ?? request.url);
      return reply.status(status).headers(headers).send(body);
    },
  };
};

/** Gladia's live API (v2): sessions are made and read here, and spoken to on the socket of the same address. */
export function gladiaRoutes(app: Routes, services: HttpServices): void {
  const begin = live(services, {
    tag: TAG,
    summary: 'Begin a live session; its socket is in the answer',
    body: GLADIA_INIT,
    response: { 201: z.object({ id: z.string(), created_at: z.iso.datetime(), url: z.string() }), ...FAILURES },
    errors: SESSION_ERRORS,
  });
  app.post('/v2/live', begin, async (request, reply) => {
    const { callback, callback_config: callbackConfig } = request.body;
    if (callback || callbackConfig?.url !== undefined) throw notOffered('callback');
    const session = await services.gladia.begin(request.caller, request.body);
    const url = `${request.protocol === 'https' ? 'wss' : 'ws'}://${request.host}/v2/live?token=${session.token}`;
    return reply.status(201).send({ id: session.id, created_at: new Date(session.createdAtMs).toISOString(), url });
  });
  readingRoutes(app, services);
  changingRoutes(app, services);
}

function readingRoutes(app: Routes, services: HttpServices): void {
  const list = live(services, {
    tag: TAG,
    summary: 'List live sessions, newest first; as a WebSocket, the socket of one',
    description: 'Filters also: `custom_metadata[name]=value`. A WebSocket shows the `token` of its session in place of a key.',
    querystring: listQuery,
    response: { 200: z.object({ first: z.string(), current: z.string(), next: z.string().nullable(), items: z.array(jobSchema) }), ...FAILURES },
  });
  app.get('/v2/live', list, async (request) => {
    const { offset, limit } = request.query;
    const items = await jobsOf(services, request.caller, request.query, offset + limit + 1);
    const at = (from: number): string => {
      const url = new URL(request.url, `${request.protocol}://${request.host}`);
      url.searchParams.set('offset', String(from));
      url.searchParams.set('limit', String(limit));
      return url.href;
    };
    return { first: at(0), current: at(offset), next: items.length > offset + limit ? at(offset + limit) : null, items: items.slice(offset, offset + limit) };
  });

  const get = live(services, { tag: TAG, summary: 'A live session with its results', params, response: { 200: jobSchema, ...FAILURES } });
  app.get('/v2/live/:id', get, async (request) => {
    const { ended, running } = await found(services, request.caller, request.params.id);
    return ended ? endedJob(ended) : runningJob(running);
  });

  const file = live(services, { tag: TAG, summary: 'The audio of a live session, as a WAV file', params, response: { 200: z.string(), ...FAILURES }, texts: ['application/octet-stream'] });
  app.get('/v2/live/:id/file', file, async (request, reply) => {
    const { ended } = await found(services, request.caller, request.params.id);
    if (ended?.source.kind !== 'upload') throw new EarshotError('NOT_FOUND', 'There is no audio of this session.');
    const audio = wavOf(services.blobs.read(ended.source.blob), recordOf(ended).init, ended.source.bytes);
    return reply.type('application/octet-stream').send(Readable.from(audio));
  });
}

function changingRoutes(app: Routes, services: HttpServices): void {
  const change = live(services, {
    tag: TAG,
    summary: 'Change the metadata of a live session',
    params,
    body: z.object({ custom_metadata: customMetadata }),
    response: { 204: noContent, ...FAILURES },
  });
  app.patch('/v2/live/:id', change, async (request, reply) => {
    const metadata = request.body.custom_metadata;
    if (JSON.stringify(metadata).length > MAX_METADATA_BYTES) throw new EarshotError('MESSAGE_TOO_LARGE', 'The metadata is over 100 kB.');
    const { ended, running } = await found(services, request.caller, request.params.id);
    if (ended) await services.gladia.jobs.annotate(request.caller.tenantId, ended.id, { ...recordOf(ended), customMetadata: metadata });
    else running.customMetadata = metadata;
    return reply.status(204).send();
  });

  const remove = live(services, { tag: TAG, summary: 'Delete a live session that has ended', params, response: { 202: noContent, ...FAILURES }, errors: ['SESSION_CONFLICT'] });
  app.delete('/v2/live/:id', remove, async (request, reply) => {
    const { ended } = await found(services, request.caller, request.params.id);
    if (!ended) throw new EarshotError('SESSION_CONFLICT', 'The session is still going on.');
    await services.gladia.jobs.delete(request.caller.tenantId, ended.id);
    if (ended.source.kind === 'upload') await services.blobs.delete(ended.source.blob);
    return reply.status(202).send();
  });
}

/** The socket of a session, which its token opens. */
export function gladiaSocket({ gladia }: HttpServices): SocketRoute {
  return {
    path: '/v2/live',
    permission: 'scaiecho:transcribe',
    schema: { tag: TAG, summary: 'Speak to a live session', errors: [] },
    callerOf: ({ query }) => gladia.callerOf(query.get('token')),
    refuse: (error, requestId) => gladiaError(error, `G-${requestId.slice(0, 8)}`, '/v2/live'),
    open: ({ query }) => ({ serve: (connection) => gladia.attach(query.get('token') ?? '', connection) }),
  };
}

type Found = { readonly ended: JobRecord; readonly running?: undefined } | { readonly ended?: undefined; readonly running: LiveSession };

async function found({ gladia }: HttpServices, { tenantId }: Principal, id: string): Promise<Found> {
  const ended = await gladia.jobs.get(tenantId, id);
  if (ended?.request.dialect === 'gladia') return { ended };
  const running = gladia.find(tenantId, id);
  if (running) return { running };
  throw new EarshotError('NOT_FOUND', 'No such live session.');
}

/** The caller's sessions that pass the filters, newest first, `count` at most. */
async function jobsOf({ gladia }: HttpServices, { tenantId }: Principal, filters: z.output<typeof listQuery>, count: number): Promise<readonly LiveJob[]> {
  const jobs: LiveJob[] = [];
  const passes = filterOf(filters);
  let looked = 0;
  let after: string | undefined;
  do {
    const page = await gladia.jobs.list(tenantId, { dialect: 'gladia' }, { limit: PAGE, ...(after !== undefined && { after }) });
    jobs.push(...page.items.map(endedJob).filter(passes));
    looked += page.items.length;
    after = page.next;
  } while (after !== undefined && jobs.length < count && looked < MAX_LISTED);
  const known = new Set(jobs.map(({ id }) => id));
  const running = gladia.of(tenantId).map(runningJob).filter((job) => !known.has(job.id) && passes(job));
  return [...running, ...jobs].slice(0, count);
}

function filterOf(filters: z.output<typeof listQuery>): (job: LiveJob) => boolean {
  const { date, before_date: before, after_date: afterDate } = filters;
  const statuses = [filters.status ?? []].flat();
  const metadata = Object.entries(filters).flatMap(([name, value]) => {
    const [, key] = /^custom_metadata\[(.+)\]$/.exec(name) ?? [];
    return key === undefined ? [] : [[key, String(value)] as const];
  });
  return (job) =>
    (date === undefined || job.created_at.startsWith(date.slice(0, 10))) &&
    (before === undefined || job.created_at < before) &&
    (afterDate === undefined || job.created_at > afterDate) &&
    (statuses.length === 0 || statuses.includes(job.status)) &&
    metadata.every(([key, value]) => String(job.custom_metadata[key]) === value);
}

const notOffered = (field: string): EarshotError =>
  new EarshotError('VALIDATION_ERROR', `${field} is not offered.`, { details: [{ field, message: 'not offered by this server; read the results with GET /v2/live/{id}' }] });
