import { Readable } from 'node:stream';
import { z } from 'zod';
import { callbackOf, GLADIA_INIT } from '../../../signaling/dialects/gladia-init.ts';
import { customMetadata, MAX_METADATA_BYTES } from '../../../signaling/dialects/gladia-options.ts';
import { gladiaError } from '../../../signaling/dialects/gladia-results.ts';
import { EarshotError } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { JobRecord } from '../../core/store/jobs.ts';
import { FAILURES, GLADIA_TAG, gladiaRoute, jobParams as params } from '../gladia/gladia-route.ts';
import { endedJob, type GladiaJob, runningJob } from '../gladia/job-json.ts';
import { recordOf } from '../gladia/live-record.ts';
import { filterOf, keptJobs, listQuery, type ListQuery, listSchema, pageOf } from '../gladia/listing.ts';
import type { LiveSession } from '../gladia/live-sessions.ts';
import { wavOf } from '../gladia/wav-file.ts';
import { noContent, type Routes, SESSION_ERRORS } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';
import { checkAddress } from '../streamed-recordings.ts';
import type { SocketRoute } from '../upgrades.ts';
import { gladiaRecordedRoutes } from './gladia-recorded.ts';

const jobSchema = z.looseObject({ id: z.string(), status: z.enum(['queued', 'processing', 'done', 'error']), kind: z.literal('live') });

/** Gladia's live API (v2): sessions are made and read here, and spoken to on the socket of the same address. */
export function gladiaRoutes(app: Routes, services: HttpServices): void {
  const begin = gladiaRoute(services, {
    summary: 'Begin a live session; its socket is in the answer',
    body: GLADIA_INIT,
    response: { 201: z.object({ id: z.string(), created_at: z.iso.datetime(), url: z.string() }), ...FAILURES },
    errors: SESSION_ERRORS,
  });
  app.post('/v2/live', begin, async (request, reply) => {
    const callback = callbackOf(request.body);
    if (callback) checkAddress(services, 'callback_config.url', callback.url);
    const session = await services.gladia.begin(request.caller, request.body);
    const url = `${request.protocol === 'https' ? 'wss' : 'ws'}://${request.host}/v2/live?token=${session.token}`;
    return reply.status(201).send({ id: session.id, created_at: new Date(session.createdAtMs).toISOString(), url });
  });
  readingRoutes(app, services);
  changingRoutes(app, services);
  gladiaRecordedRoutes(app, services);
}

function readingRoutes(app: Routes, services: HttpServices): void {
  const list = gladiaRoute(services, {
    summary: 'List live sessions, newest first',
    description: 'Filters also: `custom_metadata[name]=value`.',
    querystring: listQuery,
    response: { 200: listSchema(jobSchema), ...FAILURES },
  });
  app.get('/v2/live', list, (request) => pageOf(request, (count) => jobsOf(services, request.caller, request.query, count)));

  const get = gladiaRoute(services, { summary: 'A live session with its results', params, response: { 200: jobSchema, ...FAILURES } });
  app.get('/v2/live/:id', get, async (request) => {
    const { ended, running } = await found(services, request.caller, request.params.id);
    return ended ? endedJob(ended) : runningJob(running);
  });

  const file = gladiaRoute(services, { summary: 'The audio of a live session, as a WAV file', params, response: { 200: z.string(), ...FAILURES }, texts: ['application/octet-stream'] });
  app.get('/v2/live/:id/file', file, async (request, reply) => {
    const { ended } = await found(services, request.caller, request.params.id);
    if (ended?.source.kind !== 'upload') throw new EarshotError('NOT_FOUND', 'There is no audio of this session.');
    const audio = wavOf(services.blobs.read(ended.source.blob), recordOf(ended).init, ended.source.bytes);
    return reply.type('application/octet-stream').send(Readable.from(audio));
  });
}

function changingRoutes(app: Routes, services: HttpServices): void {
  const change = gladiaRoute(services, {
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
    else await services.gladia.annotate(running, metadata);
    return reply.status(204).send();
  });

  const remove = gladiaRoute(services, { summary: 'Delete a live session that has ended', params, response: { 202: noContent, ...FAILURES }, errors: ['SESSION_CONFLICT'] });
  app.delete('/v2/live/:id', remove, async (request, reply) => {
    const { ended } = await found(services, request.caller, request.params.id);
    if (!ended) throw new EarshotError('SESSION_CONFLICT', 'The session is still going on.');
    await services.jobs.delete(request.caller, ended.id);
    return reply.status(202).send();
  });
}

const SOCKET = `From the client: binary frames of audio in the session's encoding, \`{"type":"audio_chunk","data":{"chunk":BASE64}}\` and \`{"type":"stop_recording"}\`.

To the client, each with \`type\`, \`session_id\` and \`created_at\`: \`start_session\`, \`start_recording\`, \`audio_chunk\` and \`stop_recording\` (acknowledgements), \`speech_start\`, \`speech_end\`,
\`transcript\`, \`translation\`, \`named_entity_recognition\`, \`sentiment_analysis\`, \`end_recording\`, \`post_transcript\`, \`post_summarization\`, \`post_final_transcript\`, \`end_session\`; then close 1000.
After any other close the client may connect again, and sends again what was not acknowledged.`;

/** The socket of a session, which its token opens. */
export function gladiaSocket({ gladia }: HttpServices): SocketRoute {
  return {
    path: '/v2/live',
    permission: 'scaiecho:transcribe',
    schema: { tag: GLADIA_TAG, summary: 'Speak to a live session', description: SOCKET, querystring: z.object({ token: z.string().describe('Of the session, in place of a key: `POST /v2/live` answers with it.') }), errors: [] },
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

/** The caller's sessions that pass the filters, newest first. */
async function jobsOf({ gladia }: HttpServices, { tenantId }: Principal, filters: ListQuery, count: number): Promise<readonly GladiaJob[]> {
  const passes = filterOf(filters);
  const jobs = await keptJobs(gladia.jobs, { tenantId, dialect: 'gladia' }, passes, count, endedJob);
  const known = new Set(jobs.map(({ id }) => id));
  const running = gladia.of(tenantId).map(runningJob).filter((job) => !known.has(job.id) && passes(job));
  return [...running, ...jobs].slice(0, count);
}
