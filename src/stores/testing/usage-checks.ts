import assert from 'node:assert/strict';
import type { BudgetLimit } from '../../core/store/usage.ts';
import type { StoreCheck } from './check.ts';
import { job, NOW_MS, usage } from './records.ts';

const MONTH = { owner: 'tenant', id: 't1', period: '2026-11' } as const;
const TENANT: BudgetLimit = { ...MONTH, limitSamples: 1000 };
const KEY: BudgetLimit = { owner: 'key', id: 'key_1', period: '2026-11-21', limitSamples: 300 };
const UNTIL_MS = NOW_MS + 1000;
const DAY_MS = 24 * 3600_000;

const asked = (id: string, samples: number, limits: readonly BudgetLimit[] = [TENANT], nowMs = NOW_MS) => ({ id, limits, samples, nowMs, untilMs: UNTIL_MS });

export const usageChecks: readonly StoreCheck[] = [
  {
    name: 'usage adds up, by day of the start, key, backend and transport, and recording twice counts once',
    run: async (store, reopen) => {
      const records = [
        usage('1'),
        usage('2', { heardSamples: 1, speechSamples: 0, keyId: 'key_2' }),
        usage('3', { atMs: NOW_MS + DAY_MS, transport: 'webrtc' }),
        usage('4', { backend: 'B', jobId: 'job_1', transport: 'job' }),
        usage('5', { tenantId: 't2' }),
        usage('6', { atMs: NOW_MS + 2 * DAY_MS }),
      ];
      for (const record of [...records, ...records]) await store.usage.record(record);
      const { usage: ledger } = await reopen();
      const within = { fromMs: NOW_MS, toMs: NOW_MS + 2 * DAY_MS };
      assert.deepEqual(await ledger.sum('t1', { ...within, groupBy: [] }), [{ calls: 4, heardSamples: 3001, speechSamples: 1800, audioBytes: 400, durationMs: 6000 }]);
      const counts = async (...groupBy: readonly ('day' | 'key' | 'backend' | 'transport')[]): Promise<unknown[]> =>
        (await ledger.sum('t1', { ...within, groupBy })).map(({ calls, day, keyId, backend, transport }) => [day, keyId, backend, transport].filter((group) => group !== undefined).concat(String(calls)));
      assert.deepEqual(await counts('day'), [['2026-11-21', '3'], ['2026-11-22', '1']]);
      assert.deepEqual(await counts('key'), [['key_1', '3'], ['key_2', '1']]);
      assert.deepEqual(await counts('transport', 'day'), [['2026-11-21', 'job', '1'], ['2026-11-21', 'websocket', '2'], ['2026-11-22', 'webrtc', '1']]);
      assert.deepEqual(await counts('backend'), [['A', '3'], ['B', '1']]);
      assert.equal((await ledger.sum('t3', { ...within, groupBy: [] }))[0]?.calls, 0);
    },
  },
  {
    name: 'what was recorded is spent in the day and the month of its start, of tenant and key',
    run: async ({ usage: ledger }) => {
      await ledger.record(usage('1'));
      await ledger.record(usage('1'));
      await ledger.record(usage('2', { atMs: NOW_MS + DAY_MS, keyId: 'key_2' }));
      const spent = async (owner: 'tenant' | 'key', id: string, period: string): Promise<number> => (await ledger.balance({ owner, id, period }, NOW_MS)).spentSamples;
      assert.deepEqual([await spent('tenant', 't1', '2026-11'), await spent('tenant', 't1', '2026-11-21'), await spent('key', 'key_1', '2026-11'), await spent('key', 'key_2', '2026-11-22')], [2000, 1000, 1000, 1000]);
      assert.deepEqual([await spent('key', 'key_1', '2026-11-22'), await spent('tenant', 'key_1', '2026-11'), await spent('tenant', 't1', '2026-12')], [0, 0, 0]);
    },
  },
  {
    name: 'a reservation is granted as far as every account allows, raised and never lowered',
    run: async ({ usage: ledger }) => {
      const held = async (id: string, samples: number, limits?: readonly BudgetLimit[]): Promise<number> => (await ledger.reserve(asked(id, samples, limits))).heldSamples;
      assert.equal(await held('a', 100, [TENANT, KEY]), 100);
      assert.equal(await held('a', 250, [TENANT, KEY]), 250);
      assert.equal(await held('a', 50, [TENANT, KEY]), 250);
      assert.equal(await held('b', 100, [TENANT, KEY]), 50);
      assert.equal(await held('c', 100, [TENANT, KEY]), 0);
      assert.equal(await held('d', 900), 700);
      assert.equal(await held('e', 1), 0);
      assert.equal(await held('a', 500, [TENANT, KEY]), 250);
      assert.equal(await held('f', 123, []), 123);
      assert.deepEqual((await ledger.reserve(asked('b', 1, [TENANT, KEY]))).balances, [{ spentSamples: 0, reservedSamples: 1000 }, { spentSamples: 0, reservedSamples: 300 }]);
      assert.deepEqual(await ledger.balance(MONTH, NOW_MS), { spentSamples: 0, reservedSamples: 1000 });
    },
  },
  {
    name: 'those who come at once never get more than there is',
    run: async ({ usage: ledger }) => {
      const granted = await Promise.all(Array.from({ length: 30 }, (_, index) => ledger.reserve(asked(String(index), 60))));
      assert.equal(granted.reduce((sum, { heldSamples }) => sum + heldSamples, 0), 1000);
    },
  },
  {
    name: 'recording settles a reservation to what was heard, in all accounts',
    run: async ({ usage: ledger }, reopen) => {
      await ledger.reserve(asked('a', 300, [TENANT, KEY]));
      await ledger.record(usage('a', { heardSamples: 120 }));
      await ledger.reserve(asked('reserved before it had an id', 5));
      await ledger.record(usage('z', { keyId: 'key_9', heardSamples: 0, audioBytes: null }), 'reserved before it had an id');
      const again = (await reopen()).usage;
      assert.deepEqual([await again.balance(MONTH, NOW_MS), await again.balance(KEY, NOW_MS)], [{ spentSamples: 120, reservedSamples: 0 }, { spentSamples: 120, reservedSamples: 0 }]);
      assert.equal((await again.reserve(asked('b', 300, [TENANT, KEY]))).heldSamples, 180);
    },
  },
  {
    name: 'a reservation is void when its time is up, and lives on if it is renewed before',
    run: async ({ usage: ledger }) => {
      await ledger.reserve(asked('a', 600));
      await ledger.reserve({ ...asked('b', 400), untilMs: UNTIL_MS - 1 });
      await ledger.reserve({ ...asked('b', 400), untilMs: UNTIL_MS + 5 });
      assert.deepEqual(await ledger.balance(MONTH, UNTIL_MS), { spentSamples: 0, reservedSamples: 400 });
      assert.equal((await ledger.reserve({ ...asked('c', 1000, [TENANT], UNTIL_MS), untilMs: UNTIL_MS + 5 })).heldSamples, 600);
      assert.equal((await ledger.reserve({ ...asked('a', 600, [TENANT], UNTIL_MS), untilMs: UNTIL_MS + 5 })).heldSamples, 0);
    },
  },
  {
    name: 'what was noted of calls that nobody ended is recorded after a new start, once',
    run: async (store, reopen) => {
      await store.usage.reserve(asked('res', 300, [TENANT]));
      await store.usage.note(usage('lost', { heardSamples: 50 }), 'res');
      await store.usage.note(usage('lost', { heardSamples: 120 }), 'res');
      await store.usage.note(usage('ended', { heardSamples: 7 }));
      await store.usage.record(usage('ended', { heardSamples: 10 }));
      const again = (await reopen()).usage;
      assert.deepEqual(await again.balance(MONTH, NOW_MS), { spentSamples: 10, reservedSamples: 300 });
      assert.deepEqual([await again.recordNoted(), await again.recordNoted()], [1, 0]);
      assert.deepEqual(await again.balance(MONTH, NOW_MS), { spentSamples: 130, reservedSamples: 0 });
      const [sum] = await again.sum('t1', { fromMs: NOW_MS, toMs: NOW_MS + 1, groupBy: [] });
      assert.deepEqual([sum?.calls, sum?.heardSamples], [2, 130]);
    },
  },
  {
    name: 'a job that fails leaves what was heard for it',
    run: async ({ usage: ledger, jobs }) => {
      await jobs.add(job('job_1'));
      await jobs.lease('w', NOW_MS * 2, 1000);
      await ledger.reserve(asked('job_1', 300));
      assert.equal(await jobs.fail('job_1', 'other', { code: 'INTERNAL', message: '' }, NOW_MS, undefined, usage('job_1', { heardSamples: 99 })), false);
      assert.equal((await ledger.balance(MONTH, NOW_MS)).spentSamples, 0);
      await jobs.fail('job_1', 'w', { code: 'INTERNAL', message: '' }, NOW_MS, undefined, usage('job_1', { heardSamples: 99 }));
      assert.deepEqual(await ledger.balance(MONTH, NOW_MS), { spentSamples: 99, reservedSamples: 0 });
    },
  },
  {
    name: 'what is released is free, but for what its heir takes over',
    run: async ({ usage: ledger, jobs }) => {
      await ledger.reserve(asked('s1', 200, [TENANT, KEY]));
      await ledger.reserve(asked('s2', 100, [TENANT, KEY]));
      await ledger.release('s1', { id: 'job_1', samples: 70, untilMs: UNTIL_MS });
      await ledger.release('s2', { id: 'job_1', samples: 30, untilMs: UNTIL_MS });
      await ledger.release('s2', { id: 'job_1', samples: 30, untilMs: UNTIL_MS });
      assert.deepEqual([await ledger.balance(MONTH, NOW_MS), await ledger.balance(KEY, NOW_MS)], [{ spentSamples: 0, reservedSamples: 100 }, { spentSamples: 0, reservedSamples: 100 }]);
      for (const end of [
        () => jobs.retry('job_1', 'w', NOW_MS),
        () => jobs.release('job_1', 'w', NOW_MS),
        () => jobs.fail('job_1', 'w', { code: 'INTERNAL', message: '' }, NOW_MS),
        () => jobs.cancel('t1', 'job_1', NOW_MS),
        () => jobs.delete('t1', 'job_1'),
      ]) {
        await ledger.reserve(asked('job_1', 100));
        if (!(await jobs.get('t1', 'job_1'))) await jobs.add(job('job_1'));
        if ((await jobs.get('t1', 'job_1'))?.status === 'failed') {
          await jobs.delete('t1', 'job_1');
          await jobs.add(job('job_1'));
          await ledger.reserve(asked('job_1', 100));
        }
        await jobs.lease('w', NOW_MS * 2, 1000);
        await end();
        assert.equal((await ledger.balance(MONTH, NOW_MS)).reservedSamples, 0, end.toString());
      }
    },
  },
];
