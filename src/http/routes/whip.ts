import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { iceServerLinks } from '../../../signaling/whip.ts';
import { MAX_ROOM_LANES } from '../../../signaling/whip-rooms.ts';
import { serveTranscript } from '../../../signaling/transcript-channel.ts';
import { EarshotError } from '../../core/errors.ts';
import { errorBody, okBody } from '../envelope.ts';
import { answer, noContent, route, type Routes, SESSION_ERRORS } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import { tracksSchema } from '../track-stats.ts';
import { parseLanguage } from '../validation.ts';
import type { ViewerFrames } from '../viewer-frames.ts';

const SDP = 'application/sdp';
const FRAGMENT = 'application/trickle-ice-sdpfrag';
const MAX_SDP_BYTES = 64 * 1024;

/** Methods of the two kinds of resource (RFC 9725, section 4.1). */
const ENDPOINT_METHODS = 'POST, GET, HEAD, OPTIONS';
const SESSION_METHODS = 'PATCH, DELETE, GET, HEAD, OPTIONS';

const roomSchema = z.object({ room: z.string().min(1).max(128) });
const paramsSchema = z.object({ id: z.string() });
const query = z.object({
  name: z.string().min(1).max(64).optional().describe('Who speaks. The name in a token comes first.'),
  language_hint: z.string().optional(),
  backend_preference: z.enum(['any', 'prefer_self_hosted', 'prefer_relay']).default('any'),
  model: z.string().min(1).max(200).optional(),
  chunk_seconds: z.coerce.number().positive().max(60).optional(),
  diarize: z.enum(['true', 'false']).default('false').transform((value) => value === 'true'),
  endpointing_ms: z.coerce.number().min(10).max(10_000).optional(),
  token: z.string().optional().describe('A key or token, where the publisher can send no header.'),
});

const TAG = 'WHIP';
const PUBLISH = {
  tag: TAG,
  querystring: query,
  response: { 201: z.string() },
  texts: [SDP],
  errors: [...SESSION_ERRORS, 'MEDIA_TYPE_UNSUPPORTED', 'MESSAGE_TOO_LARGE', 'NOT_ACCEPTABLE', 'SDP_INVALID', 'SDP_NO_AUDIO'],
} as const;
const PUBLISH_ALONE = route('scaiecho:transcribe', { ...PUBLISH, summary: 'Publish by WHIP, in a session of its own', description: 'The body is the SDP offer. docs/protocol.md tells the rest.' });
const PUBLISH_IN_ROOM = route('scaiecho:transcribe', { ...PUBLISH, summary: 'Publish by WHIP; all publishers of a room are in one session', params: roomSchema });
const PATCH = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'Add ICE candidates, or restart ICE',
  params: paramsSchema,
  response: { 200: z.string(), 204: noContent },
  texts: [FRAGMENT],
  errors: ['MEDIA_TYPE_UNSUPPORTED', 'MESSAGE_MALFORMED', 'MESSAGE_TOO_LARGE', 'PRECONDITION_FAILED', 'PRECONDITION_REQUIRED', 'SDP_INVALID', 'SDP_NO_AUDIO', 'CAPACITY_EXCEEDED', 'SESSION_CONFLICT'],
});
const END = route('scaiecho:transcribe', { tag: TAG, summary: 'Stop publishing', params: paramsSchema, response: { 200: noContent } });
const LOOK_ALONE = route('scaiecho:transcribe', { tag: TAG, summary: 'Nothing, as the protocol wants it', response: { 204: noContent } });
const LOOK_AT_ROOM = route('scaiecho:transcribe', { tag: TAG, summary: 'Nothing, as the protocol wants it', params: roomSchema, response: { 204: noContent } });
const LOOK_AT_SESSION = route('scaiecho:transcribe', { tag: TAG, summary: 'Is it still there?', params: paramsSchema, response: { 204: noContent } });
const STATS = route('scaiecho:transcribe', { tag: TAG, summary: 'What was counted of each track', params: paramsSchema, response: { 200: answer(tracksSchema) } });
const PREFLIGHT = route('public', { tag: TAG, summary: 'What other origins may do', response: { 204: noContent } });

interface SdpBody {
  readonly mediaType: string;
  readonly text: string;
}

/** WHIP (RFC 9725): an encoder publishes with one address; captions go to viewers, whose addresses are in the `Link` headers. */
export async function whipRoutes(app: Routes, services: HttpServices, frames: ViewerFrames): Promise<void> {
  await app.register(
    (scoped, _options, done) => {
      const whip = scoped as unknown as Routes;
      takeSdp(whip);
      whip.addHook('onSend', (_request, reply, payload, next) => {
        void reply.header('access-control-allow-origin', '*').header('access-control-expose-headers', 'Location, ETag, Link, Accept-Patch, Retry-After');
        next(null, payload);
      });
      whip.post('', PUBLISH_ALONE, (request, reply) => publish(services, frames, request, request.query, undefined, reply));
      whip.post('/:room', PUBLISH_IN_ROOM, (request, reply) => publish(services, frames, request, request.query, request.params.room, reply));
      whip.get('', LOOK_ALONE, (_request, reply) => reply.status(204).send());
      whip.get('/:room', LOOK_AT_ROOM, (_request, reply) => reply.status(204).send());
      whip.options('', PREFLIGHT, preflight(ENDPOINT_METHODS));
      whip.options('/:room', PREFLIGHT, preflight(ENDPOINT_METHODS));
      sessionRoutes(whip, services);
      whip.setNotFoundHandler(refuseMethod);
      done();
    },
    { prefix: '/whip' },
  );
}

function sessionRoutes(whip: Routes, { whip: rooms }: HttpServices): void {
  whip.patch('/sessions/:id', PATCH, async (request, reply) => {
    const publication = rooms.find(request.params.id, request.caller.tenantId);
    const restarted = await publication.patch(bodyOf(request, FRAGMENT), request.headers['if-match']);
    return restarted ? reply.status(200).header('etag', restarted.etag).type(FRAGMENT).send(restarted.fragment) : reply.status(204).send();
  });
  whip.delete('/sessions/:id', END, async (request, reply) => {
    await rooms.find(request.params.id, request.caller.tenantId).end();
    return reply.status(200).send();
  });
  whip.get('/sessions/:id', LOOK_AT_SESSION, (request, reply) => {
    rooms.find(request.params.id, request.caller.tenantId);
    return reply.status(204).send();
  });
  whip.get('/sessions/:id/stats', STATS, (request) => okBody({ tracks: rooms.find(request.params.id, request.caller.tenantId).stats() }, request.id));
  whip.options('/sessions/:id', PREFLIGHT, preflight(SESSION_METHODS));
}

/** Bodies of both kinds as text, of any other not at all. */
function takeSdp(whip: Routes): void {
  whip.removeAllContentTypeParsers();
  for (const mediaType of [SDP, FRAGMENT]) {
    whip.addContentTypeParser(mediaType, { parseAs: 'string', bodyLimit: MAX_SDP_BYTES }, (_request, text, done) => {
      done(null, { mediaType, text } satisfies { mediaType: string; text: string | Buffer });
    });
  }
  whip.addContentTypeParser('*', (_request, _payload, done) => {
    done(new EarshotError('MEDIA_TYPE_UNSUPPORTED', `The body is ${SDP}, or for PATCH ${FRAGMENT}.`));
  });
}

function bodyOf(request: FastifyRequest, mediaType: string): string {
  const body = request.body as SdpBody | undefined;
  if (body?.mediaType !== mediaType) throw new EarshotError('MEDIA_TYPE_UNSUPPORTED', `The body of this is ${mediaType}.`);
  return body.text;
}

async function publish(services: HttpServices, frames: ViewerFrames, request: FastifyRequest, wish: z.output<typeof query>, room: string | undefined, reply: FastifyReply): Promise<FastifyReply> {
  const { caller } = request;
  const offer = bodyOf(request, SDP);
  if (!accepts(request.headers.accept)) throw new EarshotError('NOT_ACCEPTABLE', `The answer is ${SDP}.`);
  const language = parseLanguage(wish.language_hint);
  const publication = await services.whip.publish({
    tenantId: caller.tenantId,
    room,
    speaker: caller.token?.name ?? wish.name,
    offer,
    onChannel: (channel, session) => {
      serveTranscript(channel, frames.conversation(), session);
    },
    open: () =>
      services.openSession(caller, {
        transport: 'webrtc',
        priority: 'live',
        backendPreference: wish.backend_preference,
        limits: { maxLanes: MAX_ROOM_LANES },
        ...(language !== undefined && { language }),
        ...(wish.model !== undefined && { model: wish.model }),
        ...(wish.diarize && { diarize: true }),
        ...(wish.chunk_seconds !== undefined && { chunkSeconds: wish.chunk_seconds }),
        ...(wish.endpointing_ms !== undefined && { endpointing: { endpointMs: wish.endpointing_ms } }),
      }),
  });
  // Who can send no header now cannot later.
  const suffix = wish.token === undefined || request.headers.authorization !== undefined ? '' : `?token=${encodeURIComponent(wish.token)}`;
  return reply
    .status(201)
    .type(SDP)
    .header('location', `/whip/sessions/${publication.id}${suffix}`)
    .header('etag', publication.etag)
    .header('accept-patch', FRAGMENT)
    .header('link', [...iceServerLinks(services.whip.iceServers), ...captionLinks(publication.session.id)])
    .send(publication.answer);
}

/** Where the text can be read. Other relations than those of the RFC are ignored by publishers that do not know them. */
function captionLinks(sessionId: string): string[] {
  const base = `${NATIVE_BASE}/sessions/${sessionId}`;
  return [`<${base}/events>; rel="urn:x-earshot:events"`, `<${base}/watch>; rel="urn:x-earshot:websocket"`, `<${base}/captions.vtt>; rel="urn:x-earshot:webvtt"`, `<${base}/captions.m3u8>; rel="urn:x-earshot:hls"`];
}

function accepts(accept: string | undefined): boolean {
  if (accept === undefined) return true;
  return accept.split(',').some((each) => ['*/*', 'application/*', SDP].includes(each.split(';')[0]?.trim().toLowerCase() ?? '') && !/;\s*q=0(?:\.0*)?\s*$/.test(each));
}

const preflight = (methods: string) => (_request: FastifyRequest, reply: FastifyReply) =>
  reply
    .status(204)
    .header('access-control-allow-methods', methods)
    .header('access-control-allow-headers', 'Authorization, Content-Type, If-Match')
    .header('access-control-max-age', '86400')
    .header('accept-post', SDP)
    .send();

function refuseMethod(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?')[0]?.replace(/\/$/, '') ?? '';
  const methods = /^\/whip(?:\/[^/]+)?$/.test(path) ? ENDPOINT_METHODS : /^\/whip\/sessions\/[^/]+$/.test(path) ? SESSION_METHODS : undefined;
  const error = methods === undefined ? new EarshotError('NOT_FOUND', `No route ${request.method} ${path}.`) : new EarshotError('METHOD_NOT_ALLOWED', `${request.method} is not for this resource.`);
  if (methods !== undefined) void reply.header('allow', methods);
  return reply.status(error.rule.httpStatus).send(errorBody(error, request.id));
}
