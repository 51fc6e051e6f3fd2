import type { AuditStore } from './store/audit.ts';
import type { JobStore } from './store/jobs.ts';
import type { KeyStore } from './store/keys.ts';
import type { LiveStore } from './store/live.ts';
import type { SpeakerStore } from './store/speakers.ts';
import type { TenantStore } from './store/tenants.ts';
import type { TranscriptStore } from './store/transcripts.ts';
import type { UsageStore } from './store/usage.ts';
import type { WebhookStore } from './store/webhooks.ts';

/**
 * What must survive a restart. Every verb is atomic: after a crash at any moment it happened whole or not at all, and once its promise
 * has resolved it has happened for good. Several processes may use one store, so what two of them could do at once has a lease or is
 * decided inside the verb. Records are plain data; times are milliseconds since 1970 by the calendar (`...AtMs`), given by the caller.
 * A record of another tenant is as absent as one that never was.
 */
export interface Store {
  readonly tenants: TenantStore;
  readonly keys: KeyStore;
  readonly jobs: JobStore;
  readonly live: LiveStore;
  readonly transcripts: TranscriptStore;
  readonly speakers: SpeakerStore;
  readonly usage: UsageStore;
  readonly audit: AuditStore;
  readonly webhooks: WebhookStore;
  /** Idempotent; what was begun is finished first. */
  close(): Promise<void>;
}
