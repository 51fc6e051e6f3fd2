import { z } from 'zod';
import type { IceCandidate } from '../../core/media-engine.ts';
import { ScaiEchoConversation } from '../../../signaling/dialects/scaiecho.ts';
import { serveTranscript } from '../../../signaling/transcript-channel.ts';
import { okBody } from '../envelope.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import { answer, noContent, route, type Routes, SESSION_ERRORS } from '../route-schema.ts';
import { tracksSchema } from '../track-stats.ts';
import { parseLanguage } from '../validation.ts';

const offerSchema = z.object({ type: z.literal('offer'), sdp: z.string().min(1).max(128 * 1024) });

const createSchema = z
  .object({
    language_hint: z.string().nullish(),
    backend_preference: z.enum(['any', 'prefer_self_hosted', 'prefer_relay']).nullish(),
    model: z.string().min(1).max(200).nullish(),
    chunk_seconds: z.number().positive().max(60).nullish(),
    diarize: z.boolean().nullish(),
    endpointing_ms: z.number().min(10).max(10_000).nullish(),
    resumable: z.boolean().nullish().describe('The client may go on over the stream socket when WebRTC cannot connect or is lost.'),
    sdp: offerSchema.nullish(),
  })
  .nullish();

const candidateSchema = z
  .object({
    candidate: z.string().max(2048),
    sdpMid: z.string().max(64).nullish(),
    sdpMLineIndex: z.number().int().min(0).max(255).nullish(),
  })
  .nullable();

const answerSchema = z.object({ type: z.literal('answer'), sdp: z.string() });

const createdSchema = z.object({
  session_id: z.string(),
  job_id: z.string().optional().describe('The job that the session becomes when it ends.'),
  answer: answerSchema.nullable().describe('Null if no offer was sent.'),
  ice_servers: z.array(z.object({ urls: z.union([z.string(), z.array(z.string())]), username: z.string().optional(), credential: z.string().optional() })),
  control_url: z.string().describe('WebSocket that brings the text.'),
  resume_token: z.string().optional().describe('With it a lost session is resumed, where `resumable` was asked for.'),
  backend_used: z.string(),
  model: z.string(),
  expires_at: z.iso.datetime().describe('A peer that has no connection by then is closed, and its session with it.'),
});

const paramsSchema = z.object({ id: z.string() });

const CREATE = route('scaiecho:transcribe', {
  tag: 'Live',
  summary: 'Begin a WebRTC session, with or without an offer',
  body: createSchema,
  response: { 201: answer(createdSchema) },
  errors: [...SESSION_ERRORS, 'SDP_INVALID', 'SDP_NO_AUDIO'],
});
const OFFER = route('scaiecho:transcribe', {
  tag: 'Live',
  summary: 'Send an offer, the first or a later one',
  params: paramsSchema,
  body: offerSchema,
  response: { 200: answer(answerSchema) },
  errors: ['SDP_INVALID', 'SDP_NO_AUDIO'],
});
const CANDIDATE = route('scaiecho:transcribe', {
  tag: 'Live',
  summary: 'Send an ICE candidate; null when there are no more',
  params: paramsSchema,
  body: candidateSchema,
  response: { 204: noContent },
  errors: ['ICE_CANDIDATE_INVALID', 'SESSION_CONFLICT'],
});
const STATS = route('scaiecho:transcribe', {
  tag: 'Live',
  summary: 'What was counted of each track',
  params: paramsSchema,
  response: { 200: answer(tracksSchema) },
});
const FINISH = route('scaiecho:transcribe', { tag: 'Live', summary: 'End a session; answered when its last final is out', params: paramsSchema, response: { 204: noContent } });

/** A peer that has not connected after this long is closed, and its session with it. */
const SETUP_SECONDS = 30;

/** WebRTC sessions: create, offer, trickle, end. Captions come by the control WebSocket. */
export function webrtcRoutes(app: Routes, services: HttpServices): void {
  const base = `${NATIVE_BASE}/webrtc/sessions`;

  app.post(base, CREATE, async (request, reply) => {
    const body = request.body ?? {};
    const language = parseLanguage(body.language_hint);
    const session = await services.openSession(request.caller, {
      transport: 'webrtc',
      priority: 'live',
      backendPreference: body.backend_preference ?? 'any',
      ...(language !== undefined && { language }),
      ...(typeof body.model === 'string' && { model: body.model }),
      ...(body.diarize === true && { diarize: true }),
      ...(typeof body.chunk_seconds === 'number' && { chunkSeconds: body.chunk_seconds }),
      ...(typeof body.endpointing_ms === 'number' && { endpointing: { endpointMs: body.endpointing_ms } }),
    });
    const kept = body.resumable === true ? services.resumable.offer(session) : undefined;
    const answer = await services.webrtc.open(session, body.sdp?.sdp, {
      onChannel: (channel) => {
        serveTranscript(channel, new ScaiEchoConversation({ controlOnly: true }), session);
      },
      ...(kept && { handover: kept.handover }),
    });
    const scheme = request.protocol === 'https' ? 'wss' : 'ws';
    return reply.status(201).send(
      okBody(
        {
          session_id: session.id,
          ...(session.jobId !== undefined && { job_id: session.jobId }),
          answer: answer === undefined ? null : { type: 'answer', sdp: answer },
          ice_servers: services.webrtc.iceServers,
          ...(kept && { resume_token: kept.token }),
          control_url: `${scheme}://${request.host}${base}/${session.id}/control`,
          backend_used: session.backend,
          model: session.model,
          expires_at: new Date(Date.now() + SETUP_SECONDS * 1000).toISOString(),
        },
        request.id,
      ),
    );
  });

  app.post(`${base}/:id/offer`, OFFER, async (request) => {
    const sdp = await services.webrtc.offer(request.params.id, request.caller.tenantId, request.body.sdp);
    return okBody({ type: 'answer', sdp }, request.id);
  });

  app.post(`${base}/:id/ice`, CANDIDATE, async (request, reply) => {
    await services.webrtc.addCandidate(request.params.id, request.caller.tenantId, request.body as IceCandidate | null);
    return reply.status(204).send();
  });

  app.get(`${base}/:id/stats`, STATS, (request) => {
    return okBody({ tracks: services.webrtc.stats(request.params.id, request.caller.tenantId) }, request.id);
  });

  app.delete(`${base}/:id`, FINISH, async (request, reply) => {
    await services.webrtc.finish(request.params.id, request.caller.tenantId);
    return reply.status(204).send();
  });
}
