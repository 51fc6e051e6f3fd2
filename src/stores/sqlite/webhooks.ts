import { EarshotError } from '../../core/errors.ts';
import type { JobEvent, WebhookDelivery, WebhookEndpoint, WebhookStore } from '../../core/store/webhooks.ts';
import type { Database } from './database.ts';
import { pageStart, toPage } from './pages.ts';

type EndpointRow = Omit<WebhookEndpoint, 'events' | 'active'> & { readonly events: string; readonly active: number };

export function webhookStore(database: Database): WebhookStore {
  return {
    async add(endpoint, maxEndpoints) {
      database.transaction(() => {
        const { tenantId } = endpoint;
        const kept = database.get<{ kept: number }>('SELECT count(*) AS kept FROM webhookEndpoints WHERE tenantId = :tenantId', { tenantId })?.kept ?? 0;
        if (kept >= maxEndpoints) throw new EarshotError('QUOTA_EXCEEDED', `There are ${String(maxEndpoints)} endpoints already.`);
        database.insert('webhookEndpoints', { ...endpoint, events: JSON.stringify(endpoint.events), active: Number(endpoint.active) });
      });
    },
    async get(tenantId, id) {
      const row = database.get<EndpointRow>('SELECT * FROM webhookEndpoints WHERE id = :id AND tenantId = :tenantId', { tenantId, id });
      return row && toEndpoint(row);
    },
    async list(tenantId) {
      return database.all<EndpointRow>('SELECT * FROM webhookEndpoints WHERE tenantId = :tenantId ORDER BY createdAtMs DESC, id DESC', { tenantId }).map(toEndpoint);
    },
    async update({ id, tenantId, url, events, active, description }) {
      const sql = 'UPDATE webhookEndpoints SET url = :url, events = :events, active = :active, description = :description WHERE id = :id AND tenantId = :tenantId';
      return database.run(sql, { id, tenantId, url, description, events: JSON.stringify(events), active: Number(active) }) > 0;
    },
    async delete(tenantId, id) {
      return database.run('DELETE FROM webhookEndpoints WHERE id = :id AND tenantId = :tenantId', { tenantId, id }) > 0;
    },
    ...deliveryVerbs(database),
  };
}

function deliveryVerbs(database: Database): Pick<WebhookStore, 'owe' | 'deliveries' | 'delivery' | 'redeliver' | 'lease' | 'settle'> {
  return {
    async owe(delivery) {
      database.insert('webhookDeliveries', { ...delivery });
    },
    async deliveries(tenantId, endpointId, page) {
      const rows = database.all<WebhookDelivery>(
        `SELECT * FROM webhookDeliveries WHERE tenantId = :tenantId AND endpointId = :endpointId AND (createdAtMs, id) < (:afterAtMs, :afterId)
         ORDER BY createdAtMs DESC, id DESC LIMIT :limitAndOne`,
        { tenantId, endpointId, ...pageStart(page) },
      );
      return toPage(rows, page.limit, (row) => row, ({ createdAtMs, id }) => ({ afterAtMs: createdAtMs, afterId: id }));
    },
    async delivery(tenantId, id) {
      return database.get<WebhookDelivery>('SELECT * FROM webhookDeliveries WHERE id = :id AND tenantId = :tenantId', { tenantId, id });
    },
    async redeliver(tenantId, id, dueAtMs) {
      const sql = `UPDATE webhookDeliveries SET dueAtMs = :dueAtMs, attempts = 0, deliveredAtMs = NULL, responseStatus = NULL, problem = NULL
        WHERE id = :id AND tenantId = :tenantId`;
      return database.run(sql, { tenantId, id, dueAtMs }) > 0;
    },
    async lease(nowMs, leaseMs, limit) {
      const due = database.all<WebhookDelivery>(
        `UPDATE webhookDeliveries SET dueAtMs = :nowMs + :leaseMs
         WHERE id IN (SELECT id FROM webhookDeliveries WHERE dueAtMs <= :nowMs ORDER BY dueAtMs, id LIMIT :limit) RETURNING *`,
        { nowMs, leaseMs, limit },
      );
      return due.sort((a, b) => a.id.localeCompare(b.id));
    },
    async settle(id, { atMs, retryAtMs, responseStatus, problem }) {
      database.run(
        `UPDATE webhookDeliveries SET attempts = attempts + 1, dueAtMs = :retryAtMs, responseStatus = :responseStatus, problem = :problem,
           deliveredAtMs = iif(:problem IS NULL, :atMs, NULL) WHERE id = :id`,
        { id, atMs, retryAtMs, responseStatus, problem },
      );
    },
  };
}

const toEndpoint = (row: EndpointRow): WebhookEndpoint => ({ ...row, events: JSON.parse(row.events) as JobEvent[], active: row.active === 1 });
