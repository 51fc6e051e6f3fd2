import { z } from 'zod';
import { okBody } from '../envelope.ts';
import { answer, route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';

const response = { 200: answer(z.object({ secret: z.string().describe('The key of HMAC-SHA256, as text.') })) };
const READ = route('scaiecho:admin', { tag: 'Jobs', summary: 'Read the secret that signs callbacks', response });
const ROTATE = route('scaiecho:admin', { tag: 'Jobs', summary: 'Replace the secret that signs callbacks', response });
const PATH = `${NATIVE_BASE}/webhook-secret`;

/** The secret that signs a tenant's callbacks. */
export function webhookSecretRoutes(app: Routes, { webhookSecrets }: HttpServices): void {
  app.get(PATH, READ, async (request) => okBody({ secret: await webhookSecrets.get(request.caller.tenantId) }, request.id));
  app.post(PATH, ROTATE, async (request) => okBody({ secret: await webhookSecrets.rotate(request.caller.tenantId) }, request.id));
}
