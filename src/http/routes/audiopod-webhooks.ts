import { z } from 'zod';
import { audioPodDelivery, audioPodEndpoint } from '../../../signaling/dialects/audiopod-webhooks.ts';
import { JOB_EVENTS, type WebhookDelivery } from '../../core/store/webhooks.ts';
import { audioPodRoute } from '../audiopod-route.ts';
import { noContent, type Routes } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';

const BASE = '/api/v1/webhooks';
const MAX_DELIVERIES = 200;

const params = z.object({ id: z.string().max(64) });
const settings = {
  url: z.string().max(2048).describe('An https address of the public internet.'),
  // Clients subscribe to tests and to other products' events too: nothing of ours is ever told for those.
  events: z.array(z.string().max(100)).min(1).max(50).optional().describe(`Of ${JOB_EVENTS.join(', ')}; others are never told. Default: all of them.`),
  active: z.boolean().optional(),
  description: z.string().max(500).nullish(),
};
const endpoint = z.object({ id: z.string(), url: z.string(), events: z.array(z.string()), active: z.boolean(), description: z.string().nullable(), created_at: z.string() });
const delivery = z.looseObject({ id: z.string(), event_type: z.string(), status: z.enum(['pending', 'delivered', 'dead_letter']) });

const ADD = audioPodRoute('scaiecho:admin', {
  summary: 'Register an address that is told of every job that ends, as AudioPod does',
  description: 'The answer has the secret that signs; it is not told again. Up to 20 a tenant.',
  body: z.object(settings),
  response: { 201: endpoint.extend({ secret: z.string() }) },
  errors: ['QUOTA_EXCEEDED'],
});
const LIST = audioPodRoute('scaiecho:admin', { summary: 'List webhook endpoints, as AudioPod does', response: { 200: z.array(endpoint) } });
const READ = audioPodRoute('scaiecho:admin', { summary: 'Read a webhook endpoint, as AudioPod does', params, response: { 200: endpoint } });
const UPDATE = audioPodRoute('scaiecho:admin', { summary: 'Change a webhook endpoint, as AudioPod does', params, body: z.object({ ...settings, url: settings.url.optional() }), response: { 200: endpoint } });
const REMOVE = audioPodRoute('scaiecho:admin', { summary: 'Delete a webhook endpoint, as AudioPod does', params, response: { 204: noContent } });
const TEST = audioPodRoute('scaiecho:admin', { summary: 'Send an endpoint a test event, as AudioPod does', params, response: { 200: delivery } });
const LOG = audioPodRoute('scaiecho:admin', {
  summary: 'Read what an endpoint was told, newest first, as AudioPod does',
  params,
  querystring: z.object({ limit: z.coerce.number().int().min(1).max(MAX_DELIVERIES).default(50), after: z.string().max(200).optional().describe('`next` of the page before.') }),
  response: { 200: z.object({ deliveries: z.array(delivery), next: z.string().nullable() }) },
});
const AGAIN = audioPodRoute('scaiecho:admin', { summary: 'Tell an endpoint once more, as AudioPod does', params, response: { 200: delivery } });

/** AudioPod's webhooks: any job of the tenant that ends is told, whatever made it. */
export function audioPodWebhookRoutes(app: Routes, { webhooks, jobs }: HttpServices): void {
  const shown = async (each: WebhookDelivery): Promise<ReturnType<typeof audioPodDelivery>> => {
    const [number] = each.jobId === null ? [] : await jobs.numbers(each.tenantId, [each.jobId]);
    return audioPodDelivery(each, number);
  };

  app.post(`${BASE}/endpoints`, ADD, async (request, reply) => {
    const { url, events, active = true, description = null } = request.body;
    const added = await webhooks.add(request.caller.tenantId, { url, events: jobEvents(events), active, description });
    return reply.status(201).send({ ...audioPodEndpoint(added), secret: added.secret });
  });
  app.get(`${BASE}/endpoints`, LIST, async (request) => (await webhooks.list(request.caller.tenantId)).map(audioPodEndpoint));
  app.get(`${BASE}/endpoints/:id`, READ, async (request) => audioPodEndpoint(await webhooks.get(request.caller.tenantId, request.params.id)));
  app.patch(`${BASE}/endpoints/:id`, UPDATE, async (request) => {
    const { url, events, active, description } = request.body;
    const changed = {
      ...(url !== undefined && { url }),
      ...(events && { events: jobEvents(events) }),
      ...(active !== undefined && { active }),
      ...(description !== undefined && { description }),
    };
    return audioPodEndpoint(await webhooks.update(request.caller.tenantId, request.params.id, changed));
  });
  app.delete(`${BASE}/endpoints/:id`, REMOVE, async (request, reply) => {
    await webhooks.delete(request.caller.tenantId, request.params.id);
    return reply.status(204).send();
  });

  app.post(`${BASE}/endpoints/:id/test`, TEST, async (request) => shown(await webhooks.test(request.caller.tenantId, request.params.id)));
  app.get(`${BASE}/endpoints/:id/deliveries`, LOG, async (request) => {
    const { limit, after } = request.query;
    const page = await webhooks.deliveries(request.caller.tenantId, request.params.id, { limit, ...(after !== undefined && { after }) });
    return { deliveries: await Promise.all(page.items.map(shown)), next: page.next ?? null };
  });
  app.post(`${BASE}/deliveries/:id/redeliver`, AGAIN, async (request) => shown(await webhooks.redeliver(request.caller.tenantId, request.params.id)));
}

const jobEvents = (named: readonly string[] = JOB_EVENTS) => JOB_EVENTS.filter((event) => named.includes(event));
