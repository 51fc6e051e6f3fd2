import type { JobRecord } from '../../src/core/store/jobs.ts';
import type { WebhookDelivery, WebhookEndpoint } from '../../src/core/store/webhooks.ts';

/** Something that happened, as AudioPod's receivers are told of it. `job` is absent in a test. */
export function audioPodEvent({ id, event, job }: { readonly id: string; readonly event: string; readonly job?: { readonly record: JobRecord; readonly number: number } }): object {
  const head = { event_type: event, event_id: id };
  if (!job) return head;
  const { record, number } = job;
  return {
    ...head,
    job_id: number,
    job_type: 'transcription',
    status: record.status,
    ...(record.status === 'failed' && { error_message: record.error?.message ?? null, failure_reason: record.error?.code ?? null }),
  };
}

/** `digest`: HMAC-SHA256 of the endpoint's secret over `TIMESTAMP.BODY`, hexadecimal. */
export function audioPodHeaders({ id, event }: Pick<WebhookDelivery, 'id' | 'event'>, timestamp: string, digest: string): Readonly<Record<string, string>> {
  return { 'x-audiopod-signature': `sha256=${digest}`, 'x-audiopod-timestamp': timestamp, 'x-audiopod-event': event, 'x-audiopod-event-id': id };
}

export function audioPodEndpoint({ id, url, events, active, description, createdAtMs }: WebhookEndpoint) {
  return { id, url, events: [...events], active, description, created_at: new Date(createdAtMs).toISOString() };
}

/** An entry of an endpoint's log. `dead_letter`: given up, until somebody asks for it again. */
export function audioPodDelivery(delivery: WebhookDelivery, jobNumber: number | undefined) {
  const { id, endpointId, event, attempts, responseStatus, problem } = delivery;
  return {
    id,
    event_id: id,
    endpoint_id: endpointId,
    event_type: event,
    job_id: jobNumber ?? null,
    status: delivery.deliveredAtMs !== null ? 'delivered' : delivery.dueAtMs !== null ? 'pending' : 'dead_letter',
    attempts,
    response_status: responseStatus,
    error: problem,
    created_at: time(delivery.createdAtMs),
    delivered_at: time(delivery.deliveredAtMs),
    next_attempt_at: time(delivery.dueAtMs),
  };
}

const time = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
