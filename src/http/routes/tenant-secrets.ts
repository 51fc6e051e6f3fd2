import { z } from 'zod';
import { okBody } from '../envelope.ts';
import { answer, noContent, route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import { tenantOf, tenantQuerySchema } from '../tenant-of.ts';

const paramsSchema = z.object({ name: z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/, 'small letters, digits, _ . and -, at most 63') });

const shared = { tag: 'Tenant', querystring: tenantQuerySchema } as const;
const errors = ['AUTHZ_PERMISSION_DENIED', 'STORE_UNAVAILABLE'] as const;

const NAMES = route('scaiecho:admin', { ...shared, summary: 'Names of the secrets that the server keeps for the tenant', response: { 200: answer(z.array(z.string())) }, errors });
const PUT = route('scaiecho:admin', {
  ...shared,
  summary: 'Entrust a secret to the server: credentials of a relay, the key of a webhook',
  description: 'It is encrypted before it is stored, and cannot be read back.',
  params: paramsSchema,
  body: z.strictObject({ value: z.string().min(1).max(16 * 1024) }),
  response: { 204: noContent },
  errors: [...errors, 'QUOTA_EXCEEDED'],
});
const DELETE = route('scaiecho:admin', { ...shared, summary: 'Remove a secret', params: paramsSchema, response: { 204: noContent }, errors });

export function tenantSecretRoutes(app: Routes, { tenancy: { secrets } }: HttpServices): void {
  const base = `${NATIVE_BASE}/tenant-secrets`;

  app.get(base, NAMES, async (request) => okBody(await secrets.names(tenantOf(request.caller, request.query)), request.id));

  app.put(`${base}/:name`, PUT, async (request, reply) => {
    await secrets.put(request.caller, tenantOf(request.caller, request.query), request.params.name, request.body.value);
    return reply.status(204).send();
  });

  app.delete(`${base}/:name`, DELETE, async (request, reply) => {
    await secrets.remove(request.caller, tenantOf(request.caller, request.query), request.params.name);
    return reply.status(204).send();
  });
}
