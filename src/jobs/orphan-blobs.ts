import type { BlobStore } from '../core/store/blobs.ts';
import type { JobStore } from '../core/store/jobs.ts';

export interface OrphanBlobsOptions {
  readonly jobs: Pick<JobStore, 'blobs'>;
  readonly blobs: Pick<BlobStore, 'names' | 'delete'>;
  /** Ended jobs still have their audio. */
  readonly keepAudio: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** An upload has its blob a moment before its job; nothing as young as this is touched. */
const MIN_AGE_MS = 3600_000;

/**
 * Deletes audio that no job has any more or ever had: a crash came between the file and its row, in one order or the other.
 * Resolves with the number of files.
 */
export async function deleteOrphanBlobs({ jobs, blobs, keepAudio, now }: OrphanBlobsOptions): Promise<number> {
  // First the files: whatever gets its job from here on is among the wanted ones.
  const old = await Array.fromAsync(blobs.names({ writtenBeforeMs: now() - MIN_AGE_MS }));
  const wanted = new Set(await jobs.blobs({ ended: keepAudio }));
  const orphans = old.filter((name) => !wanted.has(name));
  for (const name of orphans) await blobs.delete(name);
  return orphans.length;
}
