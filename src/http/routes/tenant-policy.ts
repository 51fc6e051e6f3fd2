import { z } from 'zod';
import type { TenantPolicy } from '../../core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from '../../core/tenant-policy.ts';
import { okBody } from '../envelope.ts';
import { answer, route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import { tenantOf, tenantQuerySchema } from '../tenant-of.ts';

export const budgetSchema = z.strictObject({ seconds: z.number().positive(), period: z.enum(['day', 'month']) }).describe('Seconds of audio in each period (UTC).');

const policySchema = z.strictObject({
  allowed_backends: z.enum(['A', 'B', 'AB', 'BA']).describe('`A` is self-hosted, `B` a relay; of two letters the second takes over where the first is unavailable.'),
  default_backend: z.enum(['A', 'B']).describe('`PUT` without it: the first of `allowed_backends`.'),
  residency: z.enum(['any', 'self_hosted']).describe('`self_hosted`: no audio and no text ever leaves backend A.'),
  max_concurrent_sessions: z.number().int().min(1).nullable().describe('Null: no limit but the server’s.'),
  max_session_seconds: z.number().min(1).nullable().describe('Null: no limit but the server’s.'),
  budget: budgetSchema.nullable().describe('Null: none.'),
});

const shared = {
  tag: 'Tenant',
  querystring: tenantQuerySchema,
  response: { 200: answer(policySchema) },
  errors: ['AUTHZ_PERMISSION_DENIED', 'STORE_UNAVAILABLE'],
} as const;

const GET = route('scaiecho:admin', { ...shared, summary: 'Read the policy of the tenant' });
const PUT = route('scaiecho:admin', { ...shared, summary: 'Replace the policy; fields left out have their default', body: policySchema.partial() });
const PATCH = route('scaiecho:admin', { ...shared, summary: 'Change fields of the policy', body: policySchema.partial() });

export function tenantPolicyRoutes(app: Routes, { tenancy: { policies } }: HttpServices): void {
  const path = `${NATIVE_BASE}/tenant-policy`;

  app.get(path, GET, async (request) => okBody(toWire(await policies.of(tenantOf(request.caller, request.query))), request.id));

  app.put(path, PUT, async (request) => {
    const { allowed_backends: allowed } = request.body;
    const first = allowed === undefined ? {} : { default_backend: allowed[0] };
    const policy = policySchema.parse({ ...toWire(DEFAULT_TENANT_POLICY), ...first, ...request.body });
    await policies.set(request.caller, tenantOf(request.caller, request.query), fromWire(policy));
    return okBody(policy, request.id);
  });

  app.patch(path, PATCH, async (request) => {
    const tenantId = tenantOf(request.caller, request.query);
    const policy = policySchema.parse({ ...toWire(await policies.of(tenantId)), ...request.body });
    await policies.set(request.caller, tenantId, fromWire(policy));
    return okBody(policy, request.id);
  });
}

type WirePolicy = z.output<typeof policySchema>;

function toWire(policy: TenantPolicy): WirePolicy {
  return {
    allowed_backends: policy.allowedBackends,
    default_backend: policy.defaultBackend,
    residency: policy.residency,
    max_concurrent_sessions: policy.maxConcurrentSessions,
    max_session_seconds: policy.maxSessionSeconds,
    budget: policy.budget,
  };
}

function fromWire(wire: WirePolicy): TenantPolicy {
  return {
    allowedBackends: wire.allowed_backends,
    defaultBackend: wire.default_backend,
    residency: wire.residency,
    maxConcurrentSessions: wire.max_concurrent_sessions,
    maxSessionSeconds: wire.max_session_seconds,
    budget: wire.budget,
  };
}
