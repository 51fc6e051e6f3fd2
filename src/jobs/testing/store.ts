import { join } from 'node:path';
import type { Store } from '../../core/store.ts';
import type { BlobStore } from '../../core/store/blobs.ts';
import { openFolderBlobs } from '../../stores/blobs.ts';
import { openDataFolder } from '../../stores/data-folder.ts';
import { openSqliteStore } from '../../stores/sqlite.ts';

/** The embedded store in memory, with blobs in a folder below `dir`; or in the data folder `dataDir`, as a server that may be killed has it. */
export async function openTestStore(dir: string, dataDir?: string): Promise<{ readonly store: Store; readonly blobs: BlobStore }> {
  if (dataDir !== undefined) return openDataFolder(dataDir);
  return { store: await openSqliteStore(':memory:'), blobs: await openFolderBlobs(join(dir, 'blobs')) };
}
