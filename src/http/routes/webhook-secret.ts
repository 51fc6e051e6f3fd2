import { z } from 'zod';
import { WEBHOOK_SECRET } from '../../jobs/webhook-secrets.ts';
import { okBody } from '../envelope.ts';
import { answer, route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';

const response = { 200: answer(z.object({ secret: z.string().describe('The key of HMAC-SHA256, as text.') })) };
const READ = route('scaiecho:admin', { tag: 'Jobs', summary: 'Read the secret that signs callbacks', response });
const ROTATE = route('scaiecho:admin', { tag: 'Jobs', summary: 'Replace the secret that signs callbacks', response });
const PATH = `${NATIVE_BASE}/webhook-secret`;

/** The secret that signs a tenant's callbacks: the one named `webhook` of what it entrusts to the server. */
export function webhookSecretRoutes(app: Routes, { webhookSecrets, audit, now }: HttpServices): void {
  app.get(PATH, READ, async (request) => okBody({ secret: await webhookSecrets.get(request.caller.tenantId) }, request.id));
  app.post(PATH, ROTATE, async (request) => {
    const { tenantId, keyId } = request.caller;
    const secret = await webhookSecrets.rotate(tenantId);
    await audit.append({ tenantId, keyId, atMs: now(), action: 'secret.put', subject: WEBHOOK_SECRET, details: {} });
    return okBody({ secret }, request.id);
  });
}
