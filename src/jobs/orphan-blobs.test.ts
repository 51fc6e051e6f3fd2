import assert from 'node:assert/strict';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JobRecord } from '../core/store/jobs.ts';
import { deleteOrphanBlobs } from './orphan-blobs.ts';
import { openTestStore } from './testing/store.ts';

const HOUR_MS = 3600_000;

function jobOf(id: string, blob: string, status: JobRecord['status']): JobRecord {
  return {
    id, tenantId: 't', keyId: 'k', source: { kind: 'upload', blob, bytes: 1 }, request: {}, status, progress: 0, attempts: 0, dueAtMs: 0, createdAtMs: 0,
    startedAtMs: null, endedAtMs: status === 'queued' ? null : 1, backend: null, languageDetected: null, audioMs: null, audioBytes: null, error: null,
  };
}

test('audio that no job has goes, once it is too old for its job to be still on the way', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'earshot-orphans-'));
  const { store, blobs } = await openTestStore(folder);
  context.after(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });
  const now = Date.now();
  const write = async (ageMs: number): Promise<string> => {
    const { name } = await blobs.write((async function* () { yield Buffer.from('x'); })(), { maxBytes: 1 });
    await utimes(join(folder, 'blobs', name), (now - ageMs) / 1000, (now - ageMs) / 1000);
    return name;
  };
  const waiting = await write(9 * HOUR_MS);
  const ended = await write(9 * HOUR_MS);
  const young = await write(HOUR_MS - 5000);
  await write(HOUR_MS + 5000);
  await store.jobs.add(jobOf('waiting', waiting, 'queued'));
  await store.jobs.add(jobOf('ended', ended, 'failed'));
  const sweep = (keepAudio: boolean): Promise<number> => deleteOrphanBlobs({ jobs: store.jobs, blobs, keepAudio, now: () => now });
  const left = async (): Promise<Set<string>> => new Set(await Array.fromAsync(blobs.names()));

  assert.equal(await sweep(true), 1);
  assert.deepEqual(await left(), new Set([waiting, ended, young]));
  // Where audio goes with the end of its job, an ended job's is left over from a crash just then.
  assert.equal(await sweep(false), 1);
  assert.deepEqual(await left(), new Set([waiting, young]));
});
