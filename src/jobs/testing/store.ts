import { join } from 'node:path';
import type { Sealer } from '../../core/sealer.ts';
import type { Store } from '../../core/store.ts';
import type { BlobStore } from '../../core/store/blobs.ts';
import { openFolderBlobs } from '../../stores/blobs.ts';
import { openDataFolder } from '../../stores/data-folder.ts';
import { openSqliteStore } from '../../stores/sqlite.ts';
import { WebhookSecrets } from '../webhook-secrets.ts';

/** Seals nothing, and notices a wrong context. */
const openSealer: Sealer = {
  seal: (bytes, context) => Buffer.concat([Buffer.from(`${context}:`), bytes]),
  open: (sealed, context) => {
    const head = Buffer.from(`${context}:`);
    if (!Buffer.from(sealed).subarray(0, head.length).equals(head)) throw new Error('sealed for something else');
    return sealed.subarray(head.length);
  },
};

/** The embedded store in memory, with blobs in a folder below `dir`; or in the data folder `dataDir`, as a server that may be killed has it. */
export async function openTestStore(dir: string, dataDir?: string): Promise<{ readonly store: Store; readonly blobs: BlobStore; readonly webhookSecrets: WebhookSecrets }> {
  const { store, blobs } = dataDir === undefined ? { store: await openSqliteStore(':memory:'), blobs: await openFolderBlobs(join(dir, 'blobs')) } : await openDataFolder(dataDir);
  return { store, blobs, webhookSecrets: new WebhookSecrets(store.tenants, openSealer) };
}
