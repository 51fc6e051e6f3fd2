import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { invalid } from '../../../signaling/dialects/fields.ts';
import { openaiRefusal } from '../../../signaling/dialects/openai-error.ts';
import { DEFAULT_SETTINGS, legacySessionObject, patched, type RealtimeSettings, sessionObject } from '../../../signaling/dialects/openai-realtime-settings.ts';
import { clientSecret, openaiCredential } from '../../../signaling/dialects/openai-secret.ts';
import { EarshotError } from '../../core/errors.ts';
import { route, type Routes } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';

const DEFAULT_SECONDS = 600;

const createSchema = z
  .object({
    expires_after: z.object({ anchor: z.literal('created_at').default('created_at'), seconds: z.number().int().min(10).max(7200).default(DEFAULT_SECONDS) }).optional(),
    session: z.unknown().optional().describe('As in `session.update`.'),
  })
  .nullish();

const secretSchema = z.object({ value: z.string(), expires_at: z.number().describe('Seconds since 1970.') });

const CREATE = route('scaiecho:transcribe', {
  tag: 'Other protocols',
  summary: 'Make a short-lived secret for a realtime session, as OpenAI does',
  body: createSchema,
  response: { 200: secretSchema.extend({ session: z.record(z.string(), z.unknown()) }) },
  errors: ['AUTHZ_PERMISSION_DENIED', 'VALIDATION_ERROR'],
});
const CREATE_LEGACY = route('scaiecho:transcribe', {
  tag: 'Other protocols',
  summary: 'Make a short-lived secret for a realtime session, as OpenAI did before the general release',
  body: z.record(z.string(), z.unknown()).nullish(),
  response: { 200: z.looseObject({ id: z.string(), client_secret: secretSchema }) },
  errors: ['AUTHZ_PERMISSION_DENIED', 'VALIDATION_ERROR'],
});

/** What every route of this protocol has. */
const OPENAI = { credential: openaiCredential, refuse: openaiRefusal } as const;

/** Tokens in the shape of OpenAI's client secrets. */
export function openaiSecretRoutes(app: Routes, services: HttpServices): void {
  const create = async (request: FastifyRequest, settings: RealtimeSettings, ttlSeconds: number): Promise<z.output<typeof secretSchema>> => {
    const { tenantId, keyId, token } = request.caller;
    const { keys, tokens } = services.tenancy;
    if (token || !keyId.startsWith('key_')) throw new EarshotError('AUTHZ_PERMISSION_DENIED', 'A client secret is made from a key: send one.');
    const wish = { permissions: ['scaiecho:transcribe'], ttlSeconds, maxSessions: null, maxSessionSeconds: null } as const;
    const minted = await tokens.mint(await keys.byId(tenantId, keyId), wish);
    return { value: clientSecret(minted.token, settings), expires_at: Math.floor(minted.expiresAtMs / 1000) };
  };
  const newId = (): string => `sess_${randomUUID().replaceAll('-', '')}`;

  app.post('/v1/realtime/client_secrets', { ...CREATE, config: { ...CREATE.config, ...OPENAI } }, async (request) => {
    const { expires_after: expiry, session } = request.body ?? {};
    const settings = settingsFrom(session);
    const secret = await create(request, settings, expiry?.seconds ?? DEFAULT_SECONDS);
    return { ...secret, session: sessionObject(settings, { id: newId(), expires_at: secret.expires_at }) };
  });

  app.post('/v1/realtime/transcription_sessions', { ...CREATE_LEGACY, config: { ...CREATE_LEGACY.config, ...OPENAI } }, async (request) => {
    const settings = settingsFrom(request.body ?? undefined);
    const secret = await create(request, settings, DEFAULT_SECONDS);
    return { ...legacySessionObject(settings, { id: newId(), expires_at: secret.expires_at }), client_secret: secret };
  });
}

/** Throws `VALIDATION_ERROR` with the field that is wrong. */
export function settingsFrom(session: unknown): RealtimeSettings {
  const settings = patched(DEFAULT_SETTINGS, session ?? {});
  if ('refusal' in settings) throw invalid([{ field: settings.refusal.param ?? 'session', message: settings.refusal.message }]);
  return settings;
}
