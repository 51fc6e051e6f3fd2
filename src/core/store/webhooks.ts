import type { Page, PageRequest } from './page.ts';

/** How a job ended. */
export const JOB_EVENTS = ['job.completed', 'job.failed', 'job.cancelled'] as const;

export type JobEvent = (typeof JOB_EVENTS)[number];

/** An address that a tenant wants told of every job of its own that ends, whatever made it. */
export interface WebhookEndpoint {
  readonly id: string;
  readonly tenantId: string;
  readonly url: string;
  readonly events: readonly JobEvent[];
  /** What happens while it is not is not told later either. */
  readonly active: boolean;
  readonly description: string | null;
  readonly sealedSecret: Uint8Array;
  readonly createdAtMs: number;
}

/** One thing told to one endpoint. */
export interface WebhookDelivery {
  /** `evt_...`: the same in every attempt. */
  readonly id: string;
  readonly tenantId: string;
  readonly endpointId: string;
  readonly event: JobEvent | 'webhook.test';
  /** Null for a test. */
  readonly jobId: string | null;
  readonly createdAtMs: number;
  readonly attempts: number;
  /** Of the next attempt; null: delivered or given up. */
  readonly dueAtMs: number | null;
  readonly deliveredAtMs: number | null;
  /** What the receiver answered last; null where it did not. */
  readonly responseStatus: number | null;
  /** What was wrong with the last attempt. */
  readonly problem: string | null;
}

/** How an attempt ended. */
export interface DeliveryAttempt {
  readonly atMs: number;
  /** Null: there is none, for it is delivered or was the last. */
  readonly retryAtMs: number | null;
  readonly responseStatus: number | null;
  /** Null: it is delivered. */
  readonly problem: string | null;
}

/**
 * Endpoints and what they are told. When a job ends, however it does, a delivery for every active endpoint of its tenant that wants the event is owed in the
 * same moment: written with the end or not at all. It goes with its job and with its endpoint.
 */
export interface WebhookStore {
  /** Throws `QUOTA_EXCEEDED` if the tenant has `maxEndpoints`. */
  add(endpoint: WebhookEndpoint, maxEndpoints: number): Promise<void>;
  get(tenantId: string, id: string): Promise<WebhookEndpoint | undefined>;
  /** Newest first. */
  list(tenantId: string): Promise<readonly WebhookEndpoint[]>;
  /** False if there is no such endpoint. */
  update(endpoint: Omit<WebhookEndpoint, 'sealedSecret' | 'createdAtMs'>): Promise<boolean>;
  /** False if there is no such endpoint. */
  delete(tenantId: string, id: string): Promise<boolean>;
  /** Owes a delivery that no job caused. */
  owe(delivery: WebhookDelivery): Promise<void>;
  /** Newest first. */
  deliveries(tenantId: string, endpointId: string, page: PageRequest): Promise<Page<WebhookDelivery>>;
  delivery(tenantId: string, id: string): Promise<WebhookDelivery | undefined>;
  /** Owed once more, as if never tried; false if there is no such delivery. */
  redeliver(tenantId: string, id: string, dueAtMs: number): Promise<boolean>;
  /** Due deliveries, of all tenants, not handed out again before `nowMs + leaseMs`. */
  lease(nowMs: number, leaseMs: number, limit: number): Promise<readonly WebhookDelivery[]>;
  settle(id: string, attempt: DeliveryAttempt): Promise<void>;
}
