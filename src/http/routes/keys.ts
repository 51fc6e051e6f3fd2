import { z } from 'zod';
import { PERMISSIONS } from '../../core/principal.ts';
import type { ApiKeyRecord } from '../../core/store/keys.ts';
import { okBody } from '../envelope.ts';
import { answer, noContent, route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import { tenantOf, tenantQuerySchema } from '../tenant-of.ts';
import { budgetSchema } from './tenant-policy.ts';

const createSchema = z.strictObject({
  name: z.string().trim().min(1).max(100),
  permissions: z.array(z.enum(PERMISSIONS)).min(1).default(['scaiecho:transcribe']),
  expires_at: z.iso.datetime({ offset: true }).nullish().describe('Default: it does not expire.'),
  budget: budgetSchema.nullish().describe('Audio that this key may use per period, within the budget of its tenant.'),
  max_sessions: z.number().int().min(1).nullish().describe('Sessions at a time, those of its tokens included. Default: as many as the tenant may have.'),
});

const keySchema = z.object({
  id: z.string(),
  tenant_id: z.string(),
  name: z.string(),
  permissions: z.array(z.enum(PERMISSIONS)),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime().nullable(),
  revoked_at: z.iso.datetime().nullable(),
  budget: budgetSchema.nullable(),
  max_sessions: z.number().int().nullable(),
});

const CREATE = route('scaiecho:admin', {
  tag: 'Keys',
  summary: 'Make an API key',
  description: 'The key itself is in this answer and nowhere else. Nobody gives permissions that they have not.',
  querystring: tenantQuerySchema,
  body: createSchema,
  response: { 201: answer(keySchema.extend({ key: z.string() })) },
  errors: ['AUTHZ_PERMISSION_DENIED', 'STORE_UNAVAILABLE'],
});
const LIST = route('scaiecho:admin', {
  tag: 'Keys',
  summary: 'List the API keys of the tenant, the revoked ones too',
  querystring: tenantQuerySchema,
  response: { 200: answer(z.array(keySchema)) },
  errors: ['AUTHZ_PERMISSION_DENIED', 'STORE_UNAVAILABLE'],
});
const REVOKE = route('scaiecho:admin', {
  tag: 'Keys',
  summary: 'Revoke an API key, and the tokens made from it',
  params: z.object({ id: z.string() }),
  querystring: tenantQuerySchema,
  response: { 204: noContent },
  errors: ['AUTHZ_PERMISSION_DENIED', 'STORE_UNAVAILABLE'],
});

export function keyRoutes(app: Routes, { tenancy: { keys } }: HttpServices): void {
  app.post(`${NATIVE_BASE}/keys`, CREATE, async (request, reply) => {
    const { name, permissions, expires_at: expiresAt, budget = null, max_sessions: maxSessions = null } = request.body;
    const wish = { name, permissions, expiresAtMs: typeof expiresAt === 'string' ? Date.parse(expiresAt) : null, budget, maxSessions };
    const { record, secret } = await keys.create(request.caller, tenantOf(request.caller, request.query), wish);
    return reply.status(201).send(okBody({ ...wireKey(record), key: secret }, request.id));
  });

  app.get(`${NATIVE_BASE}/keys`, LIST, async (request) => {
    const records = await keys.list(tenantOf(request.caller, request.query));
    return okBody(records.map(wireKey), request.id);
  });

  app.delete(`${NATIVE_BASE}/keys/:id`, REVOKE, async (request, reply) => {
    await keys.revoke(request.caller, tenantOf(request.caller, request.query), request.params.id);
    return reply.status(204).send();
  });
}

function wireKey(key: ApiKeyRecord): z.input<typeof keySchema> {
  return {
    id: key.id,
    tenant_id: key.tenantId,
    name: key.name,
    permissions: [...key.permissions],
    created_at: timeOf(key.createdAtMs),
    expires_at: key.expiresAtMs === null ? null : timeOf(key.expiresAtMs),
    revoked_at: key.revokedAtMs === null ? null : timeOf(key.revokedAtMs),
    budget: key.budget,
    max_sessions: key.maxSessions,
  };
}

const timeOf = (atMs: number): string => new Date(atMs).toISOString();
