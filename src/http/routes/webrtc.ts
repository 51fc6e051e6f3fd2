import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { IceCandidate } from '../../core/media-engine.ts';
import { okBody } from '../envelope.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import { parse, parseLanguage } from '../validation.ts';

const offerSchema = z.object({ type: z.literal('offer'), sdp: z.string().min(1).max(128 * 1024) });

const createSchema = z
  .object({
    language_hint: z.string().nullish(),
    backend_preference: z.enum(['any', 'prefer_self_hosted', 'prefer_relay']).nullish(),
    chunk_seconds: z.number().positive().max(60).nullish(),
    diarize: z.boolean().nullish(),
    endpointing_ms: z.number().min(10).max(10_000).nullish(),
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

interface SessionPath {
  readonly Params: { readonly id: string };
}

const TRANSCRIBE = { config: { permission: 'scaiecho:transcribe' } } as const;

/** A peer that has not connected after this long is closed, and its session with it. */
const SETUP_SECONDS = 30;

/** WebRTC sessions: create, offer, trickle, end. Captions come by the control WebSocket. */
export function webrtcRoutes(app: FastifyInstance, services: HttpServices): void {
  const base = `${NATIVE_BASE}/webrtc/sessions`;

  app.post(base, TRANSCRIBE, async (request, reply) => {
    const body = parse(createSchema, request.body) ?? {};
    const language = parseLanguage(body.language_hint);
    const session = await services.openSession(request.caller, {
      transport: 'webrtc',
      priority: 'live',
      backendPreference: body.backend_preference ?? 'any',
      ...(language !== undefined && { language }),
      ...(body.diarize === true && { diarize: true }),
      ...(typeof body.chunk_seconds === 'number' && { chunkSeconds: body.chunk_seconds }),
      ...(typeof body.endpointing_ms === 'number' && { endpointing: { endpointMs: body.endpointing_ms } }),
    });
    const answer = await services.webrtc.open(session, body.sdp?.sdp);
    const scheme = request.protocol === 'https' ? 'wss' : 'ws';
    return reply.status(201).send(
      okBody(
        {
          session_id: session.id,
          answer: answer === undefined ? null : { type: 'answer', sdp: answer },
          ice_servers: services.webrtc.iceServers,
          control_url: `${scheme}://${request.host}${base}/${session.id}/control`,
          backend_used: session.backend,
          expires_at: new Date(Date.now() + SETUP_SECONDS * 1000).toISOString(),
        },
        request.id,
      ),
    );
  });

  app.post<SessionPath>(`${base}/:id/offer`, TRANSCRIBE, async (request) => {
    const offer = parse(offerSchema, request.body);
    const sdp = await services.webrtc.offer(request.params.id, request.caller.tenantId, offer.sdp);
    return okBody({ type: 'answer', sdp }, request.id);
  });

  app.post<SessionPath>(`${base}/:id/ice`, TRANSCRIBE, async (request, reply) => {
    const candidate = parse(candidateSchema, request.body ?? null);
    await services.webrtc.addCandidate(request.params.id, request.caller.tenantId, candidate as IceCandidate | null);
    return reply.status(204).send();
  });

  app.get<SessionPath>(`${base}/:id/stats`, TRANSCRIBE, (request) => {
    return okBody({ tracks: services.webrtc.stats(request.params.id, request.caller.tenantId) }, request.id);
  });

  app.delete<SessionPath>(`${base}/:id`, TRANSCRIBE, async (request, reply) => {
    await services.webrtc.finish(request.params.id, request.caller.tenantId);
    return reply.status(204).send();
  });
}
