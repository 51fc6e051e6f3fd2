import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { ManualClock } from '../core/clock.ts';
import type { JobRecord, JobSource } from '../core/store/jobs.ts';
import { eventually } from '../core/testing/eventually.ts';
import { Retention } from './retention.ts';
import { openTestStore } from './testing/store.ts';

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;

function endedJob(id: string, endedAtMs: number | null, source: JobSource = { kind: 'live', transport: 'websocket' }): JobRecord {
  return {
    id, tenantId: `tenant of ${id}`, keyId: 'k', source, request: {}, status: endedAtMs === null ? 'queued' : 'completed', progress: 1, attempts: 1, dueAtMs: 0,
    createdAtMs: 0, startedAtMs: 0, endedAtMs, backend: 'A', languageDetected: null, audioMs: 1, audioBytes: null, error: null,
  };
}

test('jobs that ended too long ago go, with transcript and audio, at the start and every hour; others stay', async (context) => {
  const folder = await mkdtemp(`${tmpdir()}/earshot-retention-`);
  const { store, blobs } = await openTestStore(folder);
  const clock = new ManualClock();
  const startMs = 100 * DAY_MS;
  const retention = new Retention({ jobs: store.jobs, blobs, days: 30, clock, now: () => startMs + clock.nowMs(), log: { error: (fields) => assert.fail(JSON.stringify(fields)) } });
  context.after(async () => {
    await retention.close();
    await store.close();
    await rm(folder, { recursive: true });
  });
  const has = async (id: string): Promise<boolean> => (await store.jobs.get(`tenant of ${id}`, id)) !== undefined;
  const { name: blob } = await blobs.write((async function* () { yield Buffer.from('x'); })(), { maxBytes: 1 });
  const transcript = { utterances: [], backend: 'A', durationMs: 1 };
  await store.jobs.add(endedJob('old', startMs - 31 * DAY_MS, { kind: 'upload', blob, bytes: 1 }), { outcome: { transcript, backend: 'A', languageDetected: null, audioMs: 1, audioBytes: 1 } });
  // More than are looked at in one go.
  for (let index = 0; index < 120; index += 1) await store.jobs.add(endedJob(`old ${String(index)}`, startMs - 40 * DAY_MS));
  await store.jobs.add(endedJob('soon', startMs - 30 * DAY_MS + HOUR_MS / 2));
  await store.jobs.add(endedJob('young', startMs - DAY_MS));
  await store.jobs.add(endedJob('waiting', null));

  retention.start();
  await eventually(async () => !(await has('old')));
  assert.deepEqual(await Array.fromAsync(blobs.names()), []);
  assert.equal(await store.transcripts.get('tenant of old', 'old'), undefined);
  for (let index = 0; index < 120; index += 1) assert.equal(await has(`old ${String(index)}`), false);
  assert.deepEqual([await has('soon'), await has('young'), await has('waiting')], [true, true, true]);

  clock.advance(HOUR_MS);
  await eventually(async () => !(await has('soon')));
  assert.deepEqual([await has('young'), await has('waiting')], [true, true]);
  await retention.close();
  assert.equal(clock.pendingTimers, 0);
});
