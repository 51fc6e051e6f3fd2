import assert from 'node:assert/strict';
import type { CallbackRecord } from '../../core/store/jobs.ts';
import type { StoreCheck } from './check.ts';
import { allPages, job, NOW_MS, outcome, usage } from './records.ts';

const LEASE_MS = 1000;
const CALLBACK: CallbackRecord = { id: 'evt_1', tenantId: 't1', jobId: 'a', url: 'https://example.com/', method: 'PUT', body: '{}', attempts: 0, dueAtMs: NOW_MS };
const FAULT = { code: 'BACKEND_ERROR', message: 'The engine is gone.' } as const;
const ALL = { fromMs: 0, toMs: NOW_MS * 2, groupBy: [] };

export const jobChecks: readonly StoreCheck[] = [
  {
    name: 'a job is kept as it was given, once, and for its tenant alone',
    run: async ({ jobs }) => {
      const full = job('a', { source: { kind: 'url', url: 'https://example.com/a.wav' }, request: {}, dueAtMs: NOW_MS + 5 });
      await jobs.add(full);
      assert.deepEqual(await jobs.get('t1', 'a'), full);
      assert.equal(await jobs.get('t2', 'a'), undefined);
      await assert.rejects(jobs.add(job('a', { tenantId: 't2' })), { code: 'SLUG_CONFLICT' });
      assert.deepEqual([await jobs.delete('t2', 'a'), await jobs.cancel('t2', 'a', NOW_MS)], [false, false]);
      assert.deepEqual(await jobs.get('t1', 'a'), full);
    },
  },
  {
    name: 'what a dialect keeps in a job can be changed, by its tenant alone',
    run: async ({ jobs }) => {
      const kept = job('a', { request: { dialect: 'gladia', extra: { room: 1, more: [null] } } });
      await jobs.add(kept);
      assert.deepEqual([await jobs.annotate('t2', 'a', {}), await jobs.annotate('t1', 'b', {})], [false, false]);
      assert.equal(await jobs.annotate('t1', 'a', { room: 'two' }), true);
      assert.deepEqual(await jobs.get('t1', 'a'), { ...kept, request: { dialect: 'gladia', extra: { room: 'two' } } });
    },
  },
  {
    name: 'jobs are listed newest first, page by page, by status and dialect',
    run: async ({ jobs }) => {
      // Three at the same moment: the order is the same in every page all the same.
      for (const [index, id] of ['a', 'b', 'c', 'd', 'e'].entries()) await jobs.add(job(id, { createdAtMs: NOW_MS + Math.floor(index / 3) }));
      await jobs.add(job('x', { tenantId: 't2' }));
      await jobs.add(job('g', { createdAtMs: NOW_MS - 1, request: { dialect: 'gladia' }, status: 'cancelled', endedAtMs: NOW_MS }));
      const pages = await allPages(2, (page) => jobs.list('t1', {}, page));
      assert.deepEqual(pages.map((page) => page.map(({ id }) => id)), [['e', 'd'], ['c', 'b'], ['a', 'g']]);
      const ids = async (filter: Parameters<typeof jobs.list>[1]): Promise<string[]> => (await jobs.list('t1', filter, { limit: 200 })).items.map(({ id }) => id);
      assert.deepEqual(await ids({ dialect: 'gladia' }), ['g']);
      assert.deepEqual(await ids({ status: 'queued' }), ['e', 'd', 'c', 'b', 'a']);
      assert.deepEqual(await ids({ status: 'queued', dialect: 'gladia' }), []);
      for (const page of [{ limit: 0 }, { limit: 201 }, { limit: 1.5 }, { limit: 1, after: 'what is this' }]) {
        await assert.rejects(jobs.list('t1', {}, page), { code: 'VALIDATION_ERROR' });
      }
    },
  },
  {
    name: 'a limit on waiting jobs is kept by those who come at once, and is of one tenant',
    run: async ({ jobs }) => {
      const added = await Promise.allSettled(['a', 'b', 'c', 'd'].map((id) => jobs.add(job(id), { maxQueued: 2 })));
      assert.equal(added.filter(({ status }) => status === 'fulfilled').length, 2);
      for (const each of added) if (each.status === 'rejected') assert.equal((each.reason as { code: string }).code, 'QUOTA_EXCEEDED');
      await jobs.add(job('x', { tenantId: 't2' }), { maxQueued: 2 });
      assert.deepEqual([await jobs.countQueued('t1'), await jobs.countQueued('t2'), await jobs.countQueued()], [2, 1, 3]);
    },
  },
  {
    name: 'the oldest due job is leased, by one worker, and not before it is due',
    run: async ({ jobs }) => {
      await jobs.add(job('later', { dueAtMs: NOW_MS + 10 }));
      await jobs.add(job('second', { dueAtMs: NOW_MS - 5 }));
      await jobs.add(job('first', { dueAtMs: NOW_MS - 10 }));
      const leased = await Promise.all([jobs.lease('w1', NOW_MS, LEASE_MS), jobs.lease('w2', NOW_MS, LEASE_MS), jobs.lease('w3', NOW_MS, LEASE_MS)]);
      assert.deepEqual(leased.map((each) => each?.id), ['first', 'second', undefined]);
      assert.deepEqual(leased[0], { ...job('first', { dueAtMs: NOW_MS - 10 }), status: 'running', attempts: 1, startedAtMs: NOW_MS });
      assert.equal((await jobs.lease('w3', NOW_MS + 10, LEASE_MS))?.id, 'later');
    },
  },
  {
    name: 'a lease that ran out goes to another, and the first owner changes nothing any more',
    run: async ({ jobs, transcripts, usage: ledger }) => {
      await jobs.add(job('a'));
      await jobs.lease('w1', NOW_MS, LEASE_MS);
      assert.equal(await jobs.renew('a', 'w1', NOW_MS + 2 * LEASE_MS, 0.25), true);
      assert.equal((await jobs.get('t1', 'a'))?.progress, 0.25);
      assert.equal(await jobs.lease('w2', NOW_MS + LEASE_MS, LEASE_MS), undefined);
      const again = await jobs.lease('w2', NOW_MS + 2 * LEASE_MS, LEASE_MS);
      assert.deepEqual([again?.id, again?.attempts, again?.startedAtMs], ['a', 2, NOW_MS]);
      const late = [
        await jobs.renew('a', 'w1', NOW_MS * 2, 1),
        await jobs.complete('a', 'w1', outcome('not heard'), usage('a'), NOW_MS, CALLBACK),
        await jobs.fail('a', 'w1', FAULT, NOW_MS, CALLBACK),
        await jobs.retry('a', 'w1', NOW_MS),
        await jobs.release('a', 'w1', NOW_MS),
      ];
      assert.deepEqual(late, [false, false, false, false, false]);
      assert.deepEqual(await jobs.get('t1', 'a'), again);
      assert.equal(await transcripts.get('t1', 'a'), undefined);
      assert.equal((await ledger.sum('t1', ALL))[0]?.calls, 0);
      assert.deepEqual(await jobs.leaseCallbacks(NOW_MS * 2, LEASE_MS, 10), []);
    },
  },
  {
    name: 'completing leaves transcript, numbers, usage and callback, also after a new start',
    run: async (store, reopen) => {
      await store.jobs.add(job('a'));
      await store.jobs.lease('w1', NOW_MS, LEASE_MS);
      assert.equal(await store.jobs.complete('a', 'w1', outcome('hello there'), usage('a', { heardSamples: 77 }), NOW_MS + 9, CALLBACK), true);
      const { jobs, transcripts, usage: ledger } = await reopen();
      const { status, progress, endedAtMs, backend, languageDetected, audioMs, audioBytes, error } = (await jobs.get('t1', 'a')) ?? job('absent');
      assert.deepEqual([status, progress, endedAtMs, backend, languageDetected, audioMs, audioBytes, error], ['completed', 1, NOW_MS + 9, 'A', 'en', 2500, 80_000, null]);
      assert.deepEqual(await transcripts.get('t1', 'a'), { jobId: 'a', version: 1, createdAtMs: NOW_MS + 9, editedBy: null, notes: null, transcript: outcome('hello there').transcript });
      assert.deepEqual((await ledger.sum('t1', ALL)).map(({ calls, heardSamples }) => [calls, heardSamples]), [[1, 77]]);
      assert.deepEqual(await jobs.leaseCallbacks(NOW_MS, LEASE_MS, 10), [{ ...CALLBACK, dueAtMs: NOW_MS + LEASE_MS }]);
      assert.equal(await jobs.lease('w2', NOW_MS * 2, LEASE_MS), undefined);
      assert.equal(await jobs.complete('a', 'w1', outcome('again'), usage('a'), NOW_MS), false);
    },
  },
  {
    name: 'a retry waits and counts, a release does not count, a failure says why',
    run: async ({ jobs }) => {
      await jobs.add(job('a'));
      await jobs.lease('w1', NOW_MS, LEASE_MS);
      assert.equal(await jobs.release('a', 'w1', NOW_MS), true);
      assert.deepEqual(await jobs.get('t1', 'a'), job('a'));
      await jobs.lease('w1', NOW_MS, LEASE_MS);
      assert.equal(await jobs.retry('a', 'w1', NOW_MS + 50), true);
      assert.equal(await jobs.lease('w1', NOW_MS + 49, LEASE_MS), undefined);
      assert.equal((await jobs.lease('w2', NOW_MS + 50, LEASE_MS))?.attempts, 2);
      assert.equal(await jobs.fail('a', 'w2', FAULT, NOW_MS + 60, CALLBACK), true);
      const failed = await jobs.get('t1', 'a');
      assert.deepEqual([failed?.status, failed?.error, failed?.endedAtMs], ['failed', FAULT, NOW_MS + 60]);
      assert.equal((await jobs.leaseCallbacks(NOW_MS, LEASE_MS, 10)).length, 1);
      assert.equal(await jobs.lease('w3', NOW_MS * 2, LEASE_MS), undefined);
    },
  },
  {
    name: 'what is cancelled or deleted is lost to its worker, and nothing of what is deleted is left',
    run: async ({ jobs, transcripts }) => {
      for (const id of ['a', 'b', 'c']) await jobs.add(job(id));
      await jobs.lease('w1', NOW_MS, LEASE_MS);
      await jobs.lease('w1', NOW_MS, LEASE_MS);
      assert.deepEqual([await jobs.cancel('t1', 'a', NOW_MS + 1), await jobs.cancel('t1', 'a', NOW_MS + 2), await jobs.cancel('t1', 'c', NOW_MS + 1)], [true, false, true]);
      assert.equal((await jobs.get('t1', 'a'))?.endedAtMs, NOW_MS + 1);
      assert.deepEqual([await jobs.renew('a', 'w1', NOW_MS * 2, 1), await jobs.renew('b', 'w1', NOW_MS * 2, 1)], [false, true]);
      await jobs.complete('b', 'w1', outcome('words to forget'), usage('b'), NOW_MS, { ...CALLBACK, jobId: 'b' });
      assert.deepEqual([await jobs.delete('t1', 'b'), await jobs.delete('t1', 'b')], [true, false]);
      assert.deepEqual([await jobs.get('t1', 'b'), await transcripts.get('t1', 'b')], [undefined, undefined]);
      assert.deepEqual((await transcripts.search('t1', 'forget', { limit: 10 })).items, []);
      assert.deepEqual(await jobs.leaseCallbacks(NOW_MS, LEASE_MS, 10), []);
      assert.deepEqual((await jobs.endedBefore(NOW_MS + 2, 10)).map(({ id }) => id), ['a', 'c']);
      assert.deepEqual((await jobs.endedBefore(NOW_MS + 2, 1)).map(({ id }) => id), ['a']);
      assert.deepEqual(await jobs.endedBefore(NOW_MS + 1, 10), []);
    },
  },
  {
    name: 'a live session is a job that is completed from the start',
    run: async ({ jobs, transcripts }) => {
      const live = job('a', { source: { kind: 'live', transport: 'webrtc' }, status: 'completed', progress: 1, endedAtMs: NOW_MS + 5, audioMs: 12.5, error: FAULT });
      await jobs.add(live, { outcome: outcome('said live') });
      assert.deepEqual(await jobs.get('t1', 'a'), live);
      assert.equal((await transcripts.get('t1', 'a'))?.transcript.utterances[0]?.text, 'said live');
      assert.equal(await jobs.lease('w', NOW_MS * 2, LEASE_MS), undefined);
    },
  },
  {
    name: 'the blobs of jobs are named, of all tenants, with or without those of jobs that have ended',
    run: async ({ jobs }) => {
      await jobs.add(job('a'));
      await jobs.add(job('b', { tenantId: 't2' }));
      await jobs.add(job('c', { status: 'failed', endedAtMs: NOW_MS, error: FAULT }));
      await jobs.add(job('d', { source: { kind: 'url', url: 'https://example.com/d.wav' } }));
      await jobs.add(job('e'));
      await jobs.delete('t1', 'e');
      await jobs.lease('w1', NOW_MS, LEASE_MS);
      assert.deepEqual((await jobs.blobs({ ended: false })).toSorted(), ['blb_a', 'blb_b']);
      assert.deepEqual((await jobs.blobs({ ended: true })).toSorted(), ['blb_a', 'blb_b', 'blb_c']);
    },
  },
  {
    name: 'a job has a number from when it is asked for, its own, and never again once the job is deleted',
    run: async ({ jobs }) => {
      const [first = 0, second = 0] = await jobs.numbers('t1', ['a', 'b']);
      assert.ok(Number.isSafeInteger(first) && first > 0 && second > first);
      await jobs.add(job('b'));
      assert.deepEqual(await jobs.numbers('t1', ['b', 'a']), [second, first]);
      assert.deepEqual([await jobs.idOf('t1', second), await jobs.idOf('t2', second), await jobs.idOf('t1', 0)], ['b', undefined, undefined]);
      await jobs.delete('t1', 'b');
      assert.equal(await jobs.idOf('t1', second), undefined);
      const [third = 0] = await jobs.numbers('t2', ['c']);
      assert.ok(third > second);
    },
  },
  {
    name: 'a callback is handed out when it is due, to one, and until it is settled',
    run: async ({ jobs }) => {
      await jobs.add(job('a'), { callback: CALLBACK });
      await jobs.add(job('b'), { callback: { ...CALLBACK, id: 'evt_2', jobId: 'b', dueAtMs: NOW_MS + 5 } });
      const both = await Promise.all([jobs.leaseCallbacks(NOW_MS, LEASE_MS, 10), jobs.leaseCallbacks(NOW_MS, LEASE_MS, 10)]);
      assert.deepEqual(both.flat().map(({ id, attempts }) => [id, attempts]), [['evt_1', 0]]);
      assert.deepEqual((await jobs.leaseCallbacks(NOW_MS + LEASE_MS, LEASE_MS, 1)).map(({ id }) => id), ['evt_2']);
      await jobs.settleCallback('evt_1', NOW_MS + 5000);
      await jobs.settleCallback('evt_2', null);
      assert.deepEqual(await jobs.leaseCallbacks(NOW_MS + 4999, LEASE_MS, 10), []);
      assert.deepEqual((await jobs.leaseCallbacks(NOW_MS + 5000, LEASE_MS, 10)).map(({ id, attempts }) => [id, attempts]), [['evt_1', 1]]);
    },
  },
];
