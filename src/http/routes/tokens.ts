import { z } from 'zod';
import { EarshotError } from '../../core/errors.ts';
import { TOKEN_PERMISSIONS } from '../../tenancy/tokens.ts';
import { okBody } from '../envelope.ts';
import { answer, route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';

const MAX_TTL_SECONDS = 24 * 3600;

const createSchema = z
  .strictObject({
    permissions: z.array(z.enum(TOKEN_PERMISSIONS)).min(1).default(['scaiecho:transcribe']).describe('Permissions of the key; `scaiecho:admin` stays with it.'),
    ttl_seconds: z.number().int().min(1).max(MAX_TTL_SECONDS).default(600).describe('The token ends with its key, if that is sooner.'),
    max_sessions: z.number().int().min(1).nullable().default(null).describe('Sessions at a time.'),
    name: z.string().min(1).max(64).optional().describe('Who holds it: what is published with it by WHIP is said by that name.'),
    max_session_seconds: z.number().min(1).nullable().default(null).describe('Longest session.'),
  })
  .nullish();

const CREATE = route('any', {
  tag: 'Keys',
  summary: 'Make a short-lived token from a key, for a browser',
  description: 'It is sent wherever a key is. It ends by itself, or when its key is revoked. Tokens make no tokens.',
  body: createSchema,
  response: { 201: answer(z.object({ id: z.string(), token: z.string(), permissions: z.array(z.enum(TOKEN_PERMISSIONS)), expires_at: z.iso.datetime() })) },
  errors: ['AUTHZ_PERMISSION_DENIED'],
});

export function tokenRoutes(app: Routes, { tenancy: { keys, tokens } }: HttpServices): void {
  app.post(`${NATIVE_BASE}/tokens`, CREATE, async (request, reply) => {
    const { tenantId, keyId, token: shown } = request.caller;
    if (shown || !keyId.startsWith('key_')) throw new EarshotError('AUTHZ_PERMISSION_DENIED', 'A token is made from a key: send one.');
    const { permissions, name, ttl_seconds: ttlSeconds, max_sessions: maxSessions, max_session_seconds: maxSessionSeconds } = request.body ?? defaults;
    const minted = await tokens.mint(await keys.byId(tenantId, keyId), { permissions, ttlSeconds, maxSessions, maxSessionSeconds, ...(name !== undefined && { name }) });
    const data = { id: minted.id, token: minted.token, permissions: minted.permissions, expires_at: new Date(minted.expiresAtMs).toISOString() };
    return reply.status(201).send(okBody(data, request.id));
  });
}

const defaults = createSchema.unwrap().unwrap().parse({});
