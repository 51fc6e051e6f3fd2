import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { serveControl } from '../../../signaling/gateway.ts';
import { EarshotError, toEarshotError } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { Session } from '../../core/session/session.ts';
import type { NumberedEvent } from '../../core/transcript.ts';
import { LIVE_VTT_HEAD } from '../../formats/live-vtt.ts';
import { okBody } from '../envelope.ts';
import { writeLive } from '../live-body.ts';
import { answer, noContent, RECOGNITION_ERRORS, route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import type { SocketRoute } from '../upgrades.ts';
import { parse } from '../validation.ts';
import type { ViewerFrames } from '../viewer-frames.ts';

const MAX_SHARE_SECONDS = 24 * 3600;
const VIEWERS = `${NATIVE_BASE}/sessions/:id`;

const paramsSchema = z.object({ id: z.string() });
const afterSeqSchema = z.coerce.number().int().min(0);
const resumeQuery = z.object({ after_seq: afterSeqSchema.default(0).describe('Frames from this number on, for who comes back.') });
const yesNo = z.enum(['true', 'false']).default('true').transform((value) => value === 'true');

const EVENTS = route('view', {
  tag: 'Viewers',
  summary: 'Read the text of a live session as server-sent events',
  description: 'The frames of the WebSockets, one in each event, with its `seq` as the id: who comes back with `Last-Event-ID` misses nothing. 204 when there is nothing left to read.',
  params: paramsSchema,
  querystring: resumeQuery,
  response: { 200: z.string(), 204: noContent },
  texts: ['text/event-stream'],
  errors: ['RESUME_GAP'],
});
const CAPTIONS = route('view', {
  tag: 'Viewers',
  summary: 'Read the settled text of a live session as WebVTT',
  description: 'From the beginning, and on until the session ends.',
  params: paramsSchema,
  querystring: z.object({ follow: yesNo.describe('`false`: what is settled by now, and no more.') }),
  response: { 200: z.string() },
  texts: ['text/vtt'],
  errors: ['RESUME_GAP'],
});
const shareSchema = z.strictObject({ ttl_seconds: z.number().int().min(1).max(MAX_SHARE_SECONDS).default(3 * 3600) }).nullish();
const SHARE = route('scaiecho:transcribe', {
  tag: 'Viewers',
  summary: 'Make a link with which others read a session, and do nothing else',
  description: 'Needs a key: the link ends with it. Every viewer may use the same one.',
  params: paramsSchema,
  body: shareSchema,
  response: {
    201: answer(z.object({ id: z.string(), token: z.string(), expires_at: z.iso.datetime(), events_url: z.string(), socket_url: z.string(), captions_url: z.string(), playlist_url: z.string() })),
  },
  errors: ['AUTHZ_PERMISSION_DENIED'],
});

/** Any number of readers of a session, however its audio comes in. None of them can delay it or each other: each reads the event log at its own pace. */
export function viewerRoutes(app: Routes, services: HttpServices, frames: ViewerFrames): void {
  const stopping = new AbortController();
  app.addHook('preClose', (done) => {
    stopping.abort();
    done();
  });

  app.get(`${VIEWERS}/events`, EVENTS, async (request, reply) => {
    const session = visibleSession(services, request.caller, request.params.id);
    const lastId = request.headers['last-event-id'];
    const afterSeq = lastId === undefined || lastId === '' ? request.query.after_seq : parse(afterSeqSchema, lastId);
    // A browser that is told 204 does not come back.
    if (session.ended && afterSeq === session.lastSeq) return reply.header('access-control-allow-origin', '*').status(204).send();
    await live(reply, 'text/event-stream', ': \n\n', session, afterSeq, stopping.signal, async function* (events) {
      try {
        for await (const event of events) yield frames.sse(event);
      } catch (error) {
        yield frames.sseFailure(toEarshotError(error));
      }
    });
    return reply;
  });

  app.get(`${VIEWERS}/captions.vtt`, CAPTIONS, async (request, reply) => {
    const session = visibleSession(services, request.caller, request.params.id);
    const until = request.query.follow ? Infinity : session.lastSeq;
    await live(reply, 'text/vtt; charset=utf-8', '\n', session, 0, stopping.signal, async function* (events) {
      yield Buffer.from(LIVE_VTT_HEAD);
      for await (const event of events) {
        if (event.seq <= until) yield frames.vtt(event);
        if (event.seq >= until) return;
      }
    });
    return reply;
  });

  app.post(`${VIEWERS}/share`, SHARE, async (request, reply) => {
    const { tenantId, keyId, token: shown } = request.caller;
    const session = services.sessions.find(request.params.id, tenantId);
    if (shown || !keyId.startsWith('key_')) throw new EarshotError('AUTHZ_PERMISSION_DENIED', 'A link is made with a key: send one.');
    const { keys, tokens } = services.tenancy;
    const ttlSeconds = request.body?.ttl_seconds ?? 3 * 3600;
    const minted = await tokens.mint(await keys.byId(tenantId, keyId), { permissions: [], ttlSeconds, maxSessions: null, maxSessionSeconds: null, sessionId: session.id });
    const url = (scheme: string, what: string): string => `${scheme}://${request.host}${VIEWERS.replace(':id', session.id)}/${what}?token=${minted.token}`;
    const data = {
      id: minted.id,
      token: minted.token,
      expires_at: new Date(minted.expiresAtMs).toISOString(),
      events_url: url(request.protocol, 'events'),
      socket_url: url(request.protocol === 'https' ? 'wss' : 'ws', 'watch'),
      captions_url: url(request.protocol, 'captions.vtt'),
      playlist_url: url(request.protocol, 'captions.m3u8'),
    };
    return reply.status(201).send(okBody(data, request.id));
  });
}

/** The same by WebSocket. */
export function viewerSocket(services: HttpServices, frames: ViewerFrames): SocketRoute {
  return {
    path: `${VIEWERS}/watch`,
    permission: 'view',
    schema: {
      tag: 'Viewers',
      summary: 'Read the text of a live session',
      description: 'Sends the frames of the stream socket and takes none.',
      querystring: resumeQuery,
      errors: ['NOT_FOUND', 'RESUME_GAP', 'MESSAGE_MALFORMED', 'MESSAGE_TOO_LARGE', ...RECOGNITION_ERRORS],
    },
    open: ({ caller, query, params }) => {
      const session = visibleSession(services, caller, params['id'] ?? '');
      const { after_seq: afterSeq } = parse(resumeQuery, Object.fromEntries(query));
      return { serve: (connection) => serveControl(connection, frames.conversation(), session, afterSeq) };
    },
  };
}

/** Throws `NOT_FOUND` for what the caller may not see. */
export function visibleSession({ sessions }: HttpServices, { tenantId, token }: Principal, id: string): Session {
  if (token?.sessionId !== undefined && token.sessionId !== id) throw new EarshotError('NOT_FOUND', 'No such session.');
  return sessions.find(id, tenantId);
}

/** Answers with a body that grows with the session. Throws `RESUME_GAP` and `VALIDATION_ERROR` before anything is written. */
async function live(
  reply: FastifyReply,
  mediaType: string,
  beat: string,
  session: Session,
  afterSeq: number,
  stopping: AbortSignal,
  write: (events: AsyncIterable<NumberedEvent>) => AsyncIterable<Uint8Array>,
): Promise<void> {
  const gone = new AbortController();
  const response = reply.raw;
  const events = session.events(afterSeq, AbortSignal.any([gone.signal, stopping]));
  reply.hijack();
  response.once('close', () => {
    gone.abort();
  });
  response.writeHead(200, {
    'content-type': mediaType,
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-request-id': reply.request.id,
    // Whoever reads has shown a key or a link: there are no cookies that another page could ride on.
    'access-control-allow-origin': '*',
  });
  response.flushHeaders();
  try {
    await writeLive(response, write(events), { beat });
    response.end();
  } catch {
    // A file that cannot go on has no words for it: it breaks off.
    response.destroy();
  }
}
