import { randomUUID } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { EarshotError } from '../core/errors.ts';
import type { Sealer } from '../core/sealer.ts';
import type { Store } from '../core/store.ts';
import type { CallbackRecord, JobRecord } from '../core/store/jobs.ts';
import type { Page, PageRequest } from '../core/store/page.ts';
import type { WebhookDelivery, WebhookEndpoint } from '../core/store/webhooks.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { type CallbackOutbox, CallbackSender } from './callback-sender.ts';
import { createWebhookSecret, digest } from './callback-signature.ts';

/** What an endpoint is told of. */
export interface Occurrence {
  /** `evt_...` */
  readonly id: string;
  readonly event: WebhookDelivery['event'];
  /** Absent in a test. */
  readonly job?: { readonly record: JobRecord; readonly number: number };
}

/** How endpoints are told: bodies and headers. */
export interface WebhookWire {
  body(occurrence: Occurrence): object;
  /** `digest`: over the moment's seconds since 1970 and the body, hexadecimal. */
  headers(delivery: Pick<WebhookDelivery, 'id' | 'event'>, timestamp: string, digest: string): Readonly<Record<string, string>>;
}

export interface WebhooksOptions {
  readonly store: Pick<Store, 'webhooks' | 'jobs'>;
  readonly sealer: Sealer;
  readonly outbound: Outbound;
  readonly wire: WebhookWire;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
}

/** What of an endpoint its owner decides. */
export type EndpointSettings = Pick<WebhookEndpoint, 'url' | 'events' | 'active' | 'description'>;

const MAX_ENDPOINTS = 20;
const TIMEOUT_MS = 10_000;
const MINUTE_MS = 60_000;
/** Five attempts in all; pauses would be at most an hour. */
const RETRY_PAUSES_MS = [MINUTE_MS, 2 * MINUTE_MS, 4 * MINUTE_MS, 8 * MINUTE_MS];

/** Addresses that a tenant registers once and that are told of every job that ends, each signed with a secret of its own. */
export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #sender: CallbackSender;

  constructor(options: WebhooksOptions) {
    this.#options = options;
    const { outbound, clock, now, log } = options;
    this.#sender = new CallbackSender({
      outbox: this.#outbox(),
      outbound,
      headersOf: (callback) => this.#headers(callback),
      retryPausesMs: RETRY_PAUSES_MS,
      timeoutMs: TIMEOUT_MS,
      clock,
      now,
      log,
    });
  }

  start(): void {
    this.#sender.start();
  }

  /** A job has ended: look now. */
  wake(): void {
    this.#sender.wake();
  }

  /** Breaks off what is being sent; it stays owed. Idempotent. */
  close(): Promise<void> {
    return this.#sender.close();
  }

  /** With its secret, which is told this once. Throws `VALIDATION_ERROR` for an address that may not be called, and `QUOTA_EXCEEDED`. */
  async add(tenantId: string, settings: EndpointSettings): Promise<WebhookEndpoint & { readonly secret: string }> {
    const { store, sealer, now } = this.#options;
    this.#check(settings.url);
    const id = randomUUID();
    const secret = createWebhookSecret();
    const endpoint = { ...settings, id, tenantId, sealedSecret: sealer.seal(Buffer.from(secret), contextOf(tenantId, id)), createdAtMs: now() };
    await store.webhooks.add(endpoint, MAX_ENDPOINTS);
    return { ...endpoint, secret };
  }

  /** Throws `NOT_FOUND`. */
  async get(tenantId: string, id: string): Promise<WebhookEndpoint> {
    const endpoint = await this.#options.store.webhooks.get(tenantId, id);
    if (!endpoint) throw new EarshotError('NOT_FOUND', 'No such endpoint.');
    return endpoint;
  }

  list(tenantId: string): Promise<readonly WebhookEndpoint[]> {
    return this.#options.store.webhooks.list(tenantId);
  }

  /** Throws `NOT_FOUND`, and `VALIDATION_ERROR` as `add`. */
  async update(tenantId: string, id: string, settings: Partial<EndpointSettings>): Promise<WebhookEndpoint> {
    const { sealedSecret, createdAtMs, ...before } = await this.get(tenantId, id);
    const updated = { ...before, ...settings };
    this.#check(updated.url);
    if (!(await this.#options.store.webhooks.update(updated))) throw new EarshotError('NOT_FOUND', 'No such endpoint.');
    return { ...updated, sealedSecret, createdAtMs };
  }

  /** Throws `NOT_FOUND`. */
  async delete(tenantId: string, id: string): Promise<void> {
    if (!(await this.#options.store.webhooks.delete(tenantId, id))) throw new EarshotError('NOT_FOUND', 'No such endpoint.');
  }

  /** Owes an endpoint a test. Throws `NOT_FOUND`. */
  async test(tenantId: string, endpointId: string): Promise<WebhookDelivery> {
    const { store, now } = this.#options;
    await this.get(tenantId, endpointId);
    const fresh = { attempts: 0, dueAtMs: now(), deliveredAtMs: null, responseStatus: null, problem: null };
    const delivery = { id: `evt_${randomUUID().replaceAll('-', '')}`, tenantId, endpointId, event: 'webhook.test', jobId: null, createdAtMs: now(), ...fresh } as const;
    await store.webhooks.owe(delivery);
    this.wake();
    return delivery;
  }

  /** Newest first. Throws `NOT_FOUND`. */
  async deliveries(tenantId: string, endpointId: string, page: PageRequest): Promise<Page<WebhookDelivery>> {
    await this.get(tenantId, endpointId);
    return this.#options.store.webhooks.deliveries(tenantId, endpointId, page);
  }

  /** Once more, with the same event id. Throws `NOT_FOUND`. */
  async redeliver(tenantId: string, id: string): Promise<WebhookDelivery> {
    const { store, now } = this.#options;
    await store.webhooks.redeliver(tenantId, id, now());
    const delivery = await store.webhooks.delivery(tenantId, id);
    if (!delivery) throw new EarshotError('NOT_FOUND', 'No such delivery.');
    this.wake();
    return delivery;
  }

  #check(url: string): void {
    const refusal = this.#options.outbound.refusal(url, { secure: true });
    if (refusal !== undefined) throw new EarshotError('VALIDATION_ERROR', `Not accepted: url: ${refusal}.`, { details: [{ field: 'url', message: refusal }] });
  }

  #outbox(): CallbackOutbox {
    const { store, now } = this.#options;
    return {
      leaseCallbacks: async (nowMs, leaseMs, limit) => {
        const due = await store.webhooks.lease(nowMs, leaseMs, limit);
        return (await Promise.all(due.map((delivery) => this.#callback(delivery)))).filter((callback) => callback !== undefined);
      },
      settleCallback: (id, retryAtMs, result) =>
        // What a stopping server broke off counts as an attempt, and is due at once.
        store.webhooks.settle(id, { atMs: now(), retryAtMs, responseStatus: result?.status ?? null, problem: result ? (result.problem ?? null) : 'the server stopped' }),
    };
  }

  /** Undefined if job or endpoint went meanwhile, and the delivery with them. */
  async #callback(delivery: WebhookDelivery): Promise<CallbackRecord | undefined> {
    const { store, wire } = this.#options;
    const { id, tenantId, endpointId, event, jobId, attempts, dueAtMs } = delivery;
    const endpoint = await store.webhooks.get(tenantId, endpointId);
    const record = jobId === null ? undefined : await store.jobs.get(tenantId, jobId);
    if (!endpoint || (jobId !== null && !record)) return undefined;
    const [number = 0] = record ? await store.jobs.numbers(tenantId, [record.id]) : [];
    const body = JSON.stringify(wire.body({ id, event, ...(record && { job: { record, number } }) }));
    return { id, tenantId, jobId: jobId ?? '', url: endpoint.url, method: 'POST', body, attempts, dueAtMs: dueAtMs ?? 0 };
  }

  async #headers({ id, tenantId, body }: CallbackRecord): Promise<Readonly<Record<string, string>>> {
    const { store, sealer, wire, now } = this.#options;
    const delivery = await store.webhooks.delivery(tenantId, id);
    const endpoint = delivery && (await store.webhooks.get(tenantId, delivery.endpointId));
    if (!endpoint) throw new EarshotError('NOT_FOUND', 'The endpoint is gone.');
    const secret = Buffer.from(sealer.open(endpoint.sealedSecret, contextOf(tenantId, endpoint.id))).toString();
    const timestamp = String(Math.floor(now() / 1000));
    return wire.headers(delivery, timestamp, digest(secret, timestamp, body));
  }
}

const contextOf = (tenantId: string, id: string): string => `webhook endpoint ${tenantId}/${id}`;
