import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { invalid, jsonObject } from '../../../signaling/dialects/fields.ts';
import { openaiRefusal } from '../../../signaling/dialects/openai-error.ts';
import { type RealtimeSettings, requestOf } from '../../../signaling/dialects/openai-realtime-settings.ts';
import { openaiCredential, settingsOfSecret } from '../../../signaling/dialects/openai-secret.ts';
import { offeredProtocols } from '../credentials.ts';
import { noContent, route, type Routes, SESSION_ERRORS } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';
import { formError } from '../upload.ts';
import { settingsFrom } from './openai-secrets.ts';

const MAX_SDP_BYTES = 128 * 1024;

const CREATE = route('scaiecho:transcribe', {
  tag: 'Other protocols',
  summary: 'Begin a realtime session by WebRTC, as OpenAI does',
  description: 'The offer as `application/sdp`, or a form with `sdp` and `session`. The answer is the body, with every candidate in it.',
  response: { 201: z.string() },
  errors: [...SESSION_ERRORS, 'SDP_INVALID', 'SDP_NO_AUDIO', 'MESSAGE_MALFORMED', 'MESSAGE_TOO_LARGE'],
});
const HANG_UP = route('scaiecho:transcribe', {
  tag: 'Other protocols',
  summary: 'End a call; answered when its last transcript is out',
  params: z.object({ id: z.string() }),
  response: { 200: noContent },
  errors: ['NOT_FOUND'],
});
const OPENAI = { credential: openaiCredential, refuse: openaiRefusal };

/** Calls: OpenAI's realtime sessions by WebRTC, with their events on a data channel. */
export function openaiCallRoutes(app: Routes, services: HttpServices): void {
  app.addContentTypeParser('application/sdp', { parseAs: 'string', bodyLimit: MAX_SDP_BYTES }, (_request, body, done) => {
    done(null, body);
  });

  const create = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { sdp, settings } = request.isMultipart() ? await readParts(request) : { sdp: request.body, settings: settingsOf(request) };
    if (typeof sdp !== 'string' || sdp === '') throw invalid([{ field: 'sdp', message: 'required' }]);
    const session = await services.openSession(request.caller, { ...requestOf(settings), transport: 'webrtc', priority: 'live' });
    const { id, answer } = await services.calls.open(session, settings, sdp);
    return reply.status(201).header('location', `/v1/realtime/calls/${id}`).type('application/sdp').send(answer);
  };
  // The second is where older pages send their offer.
  for (const path of ['/v1/realtime/calls', '/v1/realtime']) app.post(path, { ...CREATE, config: { ...CREATE.config, ...OPENAI } }, create);

  app.post('/v1/realtime/calls/:id/hangup', { ...HANG_UP, config: { ...HANG_UP.config, ...OPENAI } }, async (request, reply) => {
    await services.calls.find(request.params.id, request.caller.tenantId).hangUp();
    return reply.status(200).send();
  });
}

const settingsOf = ({ headers }: FastifyRequest): RealtimeSettings => settingsOfSecret({ headers, protocols: offeredProtocols(headers) });

/** Parts come as fields, or as files if the client made them so. */
async function readParts(request: FastifyRequest): Promise<{ readonly sdp: string | undefined; readonly settings: RealtimeSettings }> {
  const parts = new Map<string, string>();
  try {
    for await (const part of request.parts({ limits: { fileSize: MAX_SDP_BYTES, files: 2, fields: 8 } })) {
      parts.set(part.fieldname, part.type === 'file' ? (await part.toBuffer()).toString() : String(part.value));
    }
  } catch (error) {
    throw formError(error);
  }
  const session = parts.get('session');
  const parsed = session === undefined ? undefined : jsonObject(session);
  if (session !== undefined && !parsed) throw invalid([{ field: 'session', message: 'a JSON object' }]);
  return { sdp: parts.get('sdp'), settings: parsed ? settingsFrom(parsed) : settingsOf(request) };
}
