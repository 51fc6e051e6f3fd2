import { z } from 'zod';
import { RELAY_SECRET_PREFIX } from '../../core/backend.ts';
import { EarshotError } from '../../core/errors.ts';
import type { BackendStatus } from '../../dispatch/dispatcher.ts';
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
  description: 'It is encrypted before it is stored, and cannot be read back. `relay-ID` is the key for the relay of this id: `BACKEND_NOT_FOUND` if none is set up.',
  params: paramsSchema,
  body: z.strictObject({ value: z.string().min(1).max(16 * 1024) }),
  response: { 204: noContent },
  errors: [...errors, 'QUOTA_EXCEEDED', 'BACKEND_NOT_FOUND'],
});
const DELETE = route('scaiecho:admin', { ...shared, summary: 'Remove a secret', params: paramsSchema, response: { 204: noContent }, errors });

export function tenantSecretRoutes(app: Routes, { tenancy: { secrets }, dispatcher }: HttpServices): void {
  const base = `${NATIVE_BASE}/tenant-secrets`;

  app.get(base, NAMES, async (request) => okBody(await secrets.names(tenantOf(request.caller, request.query)), request.id));

  app.put(`${base}/:name`, PUT, async (request, reply) => {
    const { name } = request.params;
    const tenantId = tenantOf(request.caller, request.query);
    checkRelay(name, dispatcher.status());
    await secrets.put(request.caller, tenantId, name, request.body.value);
    return reply.status(204).send();
  });

  app.delete(`${base}/:name`, DELETE, async (request, reply) => {
    await secrets.remove(request.caller, tenantOf(request.caller, request.query), request.params.name);
    return reply.status(204).send();
  });
}

/** A key under the name of no relay would never be used, and nobody would be told. */
function checkRelay(name: string, backends: readonly BackendStatus[]): void {
  if (!name.startsWith(RELAY_SECRET_PREFIX)) return;
  const relay = name.slice(RELAY_SECRET_PREFIX.length);
  if (!backends.some(({ id, letter }) => letter === 'B' && id === relay)) throw new EarshotError('BACKEND_NOT_FOUND', `No relay "${relay}" is set up.`);
}
