import type { Store } from '../core/store.ts';
import { auditStore } from './sqlite/audit.ts';
import { Database } from './sqlite/database.ts';
import { jobStore } from './sqlite/jobs.ts';
import { keyStore } from './sqlite/keys.ts';
import { liveStore } from './sqlite/live.ts';
import { speakerStore } from './sqlite/speakers.ts';
import { tenantStore } from './sqlite/tenants.ts';
import { transcriptStore } from './sqlite/transcripts.ts';
import { usageStore } from './sqlite/usage.ts';
import { webhookStore } from './sqlite/webhooks.ts';

/**
 * The embedded store: one SQLite file, or `:memory:`. Throws `STORE_UNAVAILABLE` where it cannot be opened, is damaged, or was written by
 * a newer version. Further processes, for example the command line, may have it open too.
 */
export async function openSqliteStore(path: string): Promise<Store> {
  const database = new Database(path);
  return {
    tenants: tenantStore(database),
    keys: keyStore(database),
    jobs: jobStore(database),
    live: liveStore(database),
    transcripts: transcriptStore(database),
    speakers: speakerStore(database),
    usage: usageStore(database),
    audit: auditStore(database),
    webhooks: webhookStore(database),
    close: async () => {
      database.close();
    },
  };
}
