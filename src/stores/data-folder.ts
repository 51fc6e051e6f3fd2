import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { EarshotError } from '../core/errors.ts';
import type { Store } from '../core/store.ts';
import type { BlobStore } from '../core/store/blobs.ts';
import { openFolderBlobs } from './blobs.ts';
import { openSqliteStore } from './sqlite.ts';

const SQLITE_BUSY = 5;

/** All that a server keeps. */
export interface DataFolder {
  readonly store: Store;
  readonly blobs: BlobStore;
  /** Recordings of speakers and their consents, sealed. Apart, because what no speaker has is deleted. */
  readonly speakerBlobs: BlobStore;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Throws `STORE_UNAVAILABLE` where there can be no such folder. */
export async function makeDataFolder(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(dataDir, error);
  }
}

/** The database of a data folder, for the command line, beside a server that runs or without one. Throws `STORE_UNAVAILABLE`. */
export async function openStoreIn(dataDir: string): Promise<Store> {
  await makeDataFolder(dataDir);
  return openSqliteStore(join(dataDir, 'earshot.sqlite'));
}

/**
 * Opens the data folder for one server: it is locked, and what a crash left unfinished is swept. Throws `STORE_UNAVAILABLE` with what to do
 * about it where the folder is another server's, cannot be written, or is of a newer version.
 */
export async function openDataFolder(dataDir: string): Promise<DataFolder> {
  await makeDataFolder(dataDir);
  const lock = lockFolder(dataDir);
  try {
    const store = await openStoreIn(dataDir);
    const blobs = await openFolderBlobs(join(dataDir, 'blobs'));
    const speakerBlobs = await openFolderBlobs(join(dataDir, 'speakers'));
    let closing: Promise<void> | undefined;
    return { store, blobs, speakerBlobs, close: () => (closing ??= store.close().finally(() => lock.close())) };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** A lock of SQLite's on a file of its own: the system takes it away from a process that dies, however it dies. */
function lockFolder(dataDir: string): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(dataDir, 'server.lock'), { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw unusable(dataDir, error);
    throw new EarshotError('STORE_UNAVAILABLE', `Another Earshot server uses the data folder ${resolve(dataDir)}; stop it, or choose another folder: EARSHOT_DATA=./data2 npm start`, {
      cause: error,
    });
  }
}

const unusable = (dataDir: string, cause: unknown): EarshotError =>
  new EarshotError('STORE_UNAVAILABLE', `The data folder ${resolve(dataDir)} cannot be written (${(cause as Error).message}); choose another: EARSHOT_DATA=./data2 npm start`, { cause });
