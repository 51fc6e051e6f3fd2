import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ManualClock } from '../core/clock.ts';
import { EarshotError } from '../core/errors.ts';
import type { JobRecord, JobStore } from '../core/store/jobs.ts';
import type { UsageRecord } from '../core/store/usage.ts';
import { settle } from '../core/testing/audio.ts';
import { openSqliteStore } from '../stores/sqlite.ts';
import { JobWorkers, type JobWorkersOptions } from './job-workers.ts';
import type { JobResult, JobRun } from './run-job.ts';

const TRANSCRIPT = { utterances: [], backend: 'A', durationMs: 1000 };
const resultOf = (job: JobRecord): JobResult => ({
  outcome: { transcript: TRANSCRIPT, backend: 'A', languageDetected: null, audioMs: 1000, audioBytes: 10 },
  usage: { id: job.id, tenantId: job.tenantId, keyId: job.keyId, transport: 'job', backend: 'A', jobId: job.id, atMs: 0, durationMs: 1, audioBytes: 10, heardSamples: 16_000, speechSamples: 0 },
});

function jobOf(id: string, request: JobRecord['request'] = {}): JobRecord {
  return {
    id, tenantId: 't', keyId: 'k', source: { kind: 'url', url: 'http://x/' }, request, status: 'queued', progress: 0, attempts: 0, dueAtMs: 0, createdAtMs: 0,
    startedAtMs: null, endedAtMs: null, backend: null, languageDetected: null, audioMs: null, audioBytes: null, error: null,
  };
}

/** Workers over the real store, on a clock that stands still; `run` decides each attempt. */
async function rig(context: TestContext, run: (job: JobRecord, run: JobRun) => Promise<JobResult>, options: Partial<JobWorkersOptions> = {}) {
  const store = await openSqliteStore(':memory:');
  const record = (usage: UsageRecord): Promise<void> => store.usage.record(usage);
  const clock = new ManualClock();
  const ended: string[] = [];
  const log = { warn: () => undefined, error: () => undefined };
  const make = (): JobWorkers =>
    new JobWorkers({ queue: store.jobs, run, describe: ({ id, status }) => ({ id, status }), clock, now: () => clock.nowMs(), concurrency: 2, record, ended: ({ id, status }) => void ended.push(`${id} ${status}`), log, ...options });
  const workers = make();
  context.after(async () => {
    await workers.close();
    await store.close();
  });
  const jobs: JobStore = store.jobs;
  const status = async (id: string): Promise<string | undefined> => (await jobs.get('t', id))?.status;
  const spent = async (): Promise<number> => (await store.usage.balance({ owner: 'tenant', id: 't', period: '1970-01' }, 0)).spentSamples;
  return { jobs, clock, workers, make, ended, status, spent };
}

/** Time passes, with room for everything in between. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1000) {
    clock.advance(Math.min(1000, left));
    await settle();
    await settle();
  }
}

test('a job is done, its callback written with it, and its end told', async (context) => {
  const { jobs, workers, ended, clock } = await rig(context, (job) => Promise.resolve(resultOf(job)));
  await jobs.add(jobOf('a', { callbackUrl: 'https://x/' }));
  workers.start();
  await settle();
  assert.deepEqual(ended, ['a completed']);
  assert.equal((await jobs.get('t', 'a'))?.progress, 1);
  const owed = await jobs.leaseCallbacks(clock.nowMs(), 1000, 10);
  assert.deepEqual(owed.map(({ jobId, body }) => [jobId, body]), [['a', '{"id":"a","status":"completed"}']]);
});

test('what is worth another attempt gets four more, further and further apart', async (context) => {
  const atMs: number[] = [];
  const { jobs, workers, clock, status, ended } = await rig(context, () => {
    atMs.push(clock.nowMs());
    return Promise.reject(new EarshotError('BACKEND_ERROR', 'Lost.'));
  });
  await jobs.add(jobOf('a'));
  workers.start();
  await pass(clock, 700_000);
  assert.equal(atMs.length, 5);
  const pauses = atMs.slice(1).map((ms, index) => ms - (atMs[index] ?? 0));
  assert.ok(pauses.every((pause, index) => pause >= 5000 * 4 ** index && pause <= 5000 * 4 ** index + 3000), String(pauses));
  assert.equal(await status('a'), 'failed');
  assert.deepEqual([(await jobs.get('t', 'a'))?.error?.code, ended], ['BACKEND_ERROR', ['a failed']]);
});

test('what is not, fails at once', async (context) => {
  const { jobs, workers, status } = await rig(context, () => Promise.reject(new EarshotError('AUDIO_UNSUPPORTED', 'No.')));
  await jobs.add(jobOf('a'));
  workers.start();
  await settle();
  assert.equal(await status('a'), 'failed');
});

test('a house that is full counts as no attempt', async (context) => {
  let refusals = 20;
  const { jobs, workers, clock, status } = await rig(context, (job) =>
    refusals-- > 0 ? Promise.reject(new EarshotError('CAPACITY_EXCEEDED', 'Full.', { retryAfterSeconds: 2 })) : Promise.resolve(resultOf(job)),
  );
  await jobs.add(jobOf('a'));
  workers.start();
  await pass(clock, 120_000);
  assert.equal(await status('a'), 'completed');
  assert.equal((await jobs.get('t', 'a'))?.attempts, 1);
});

/** Runs until it is ended from outside. */
const endless = (_job: JobRecord, { signal, progress }: JobRun): Promise<JobResult> =>
  new Promise((_resolve, reject) => {
    progress(0.5);
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

test('a lease is renewed with the progress while the job runs, so nobody else gets it', async (context) => {
  const { jobs, workers, clock } = await rig(context, endless);
  await jobs.add(jobOf('a'));
  workers.start();
  await pass(clock, 100_000);
  assert.equal((await jobs.get('t', 'a'))?.progress, 0.5);
  assert.equal(await jobs.lease('other', clock.nowMs(), 1000), undefined);
  assert.equal(workers.runningJobs, 1);
});

test('a job that is cancelled stops at the next renewal, wherever it was cancelled, or at once', async (context) => {
  const { jobs, workers, clock, status, ended } = await rig(context, endless);
  await jobs.add(jobOf('a'));
  await jobs.add(jobOf('b'));
  workers.start();
  await pass(clock, 1000);
  assert.equal(workers.runningJobs, 2);
  await jobs.cancel('t', 'a', clock.nowMs());
  await pass(clock, 12_000);
  assert.equal(workers.runningJobs, 1);
  await jobs.cancel('t', 'b', clock.nowMs());
  workers.drop('b');
  await settle();
  assert.deepEqual([workers.runningJobs, await status('a'), await status('b'), ended], [0, 'cancelled', 'cancelled', []]);
});

test('what was heard for a job that fails, or is cancelled, is recorded once; what a stopping server heard is not', async (context) => {
  const { jobs, workers, clock, status, spent, make } = await rig(context, (job, { signal, spent: heard }) => {
    if (job.id === 'failing') {
      heard(resultOf(job).usage);
      return Promise.reject(new EarshotError('BACKEND_ERROR', 'Lost.'));
    }
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        heard(resultOf(job).usage);
        reject(signal.reason as Error);
      });
    });
  });
  await jobs.add(jobOf('failing'));
  workers.start();
  await pass(clock, 10_000);
  assert.equal(await spent(), 0);
  await pass(clock, 700_000);
  assert.deepEqual([await status('failing'), await spent()], ['failed', 16_000]);
  await jobs.add(jobOf('endless'));
  workers.wake();
  await settle();
  await workers.close();
  assert.deepEqual([await status('endless'), await spent()], ['queued', 16_000]);
  const next = make();
  next.start();
  await settle();
  await jobs.cancel('t', 'endless', clock.nowMs());
  next.drop('endless');
  await settle();
  assert.equal(await spent(), 32_000);
  await next.close();
});

test('a worker that stops gives back what it runs, and another goes on at once, as if it were the first attempt', async (context) => {
  const { jobs, workers, clock, status, make } = await rig(context, endless);
  await jobs.add(jobOf('a'));
  workers.start();
  await pass(clock, 1000);
  await workers.close();
  assert.equal(await status('a'), 'queued');
  const next = make();
  next.start();
  await settle();
  assert.deepEqual([await status('a'), (await jobs.get('t', 'a'))?.attempts], ['running', 1]);
  await next.close();
  assert.equal(clock.pendingTimers, 0);
});

test('a job whose worker died is taken over when its lease runs out; one that kills every worker is given up', async (context) => {
  const { jobs, workers, clock, status } = await rig(context, (job) => Promise.resolve(resultOf(job)));
  await jobs.add(jobOf('a'));
  await jobs.add(jobOf('b'));
  for (let death = 0; death < 5; death += 1) {
    const { id } = (await jobs.lease(`dead${String(death)}`, clock.nowMs(), 1000)) ?? assert.fail();
    assert.equal(id, 'a');
    clock.advance(1000);
  }
  await jobs.lease('dead', clock.nowMs() - 1, 1000);
  workers.start();
  await pass(clock, 10_000);
  assert.deepEqual([await status('a'), await status('b')].sort(), ['completed', 'failed']);
});
