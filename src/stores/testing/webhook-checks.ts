import assert from 'node:assert/strict';
import type { WebhookEndpoint } from '../../core/store/webhooks.ts';
import type { StoreCheck } from './check.ts';
import { allPages, job, NOW_MS, outcome, usage } from './records.ts';

const LEASE_MS = 1000;
const FAULT = { code: 'BACKEND_ERROR', message: 'The engine is gone.' } as const;

const endpoint = (id: string, overrides: Partial<WebhookEndpoint> = {}): WebhookEndpoint => ({
  id,
  tenantId: 't1',
  url: 'https://example.com/hook',
  events: ['job.completed', 'job.failed', 'job.cancelled'],
  active: true,
  description: null,
  sealedSecret: Uint8Array.of(1, 0, 255),
  createdAtMs: NOW_MS,
  ...overrides,
});

/** Endpoints of webhooks, and what they are owed. */
export const webhookChecks: readonly StoreCheck[] = [
  {
    name: 'a webhook endpoint is of one tenant, can be changed and deleted, and there are no more than allowed',
    run: async ({ webhooks }, reopen) => {
      await webhooks.add(endpoint('a'), 2);
      await webhooks.add(endpoint('b', { createdAtMs: NOW_MS + 1 }), 2);
      await assert.rejects(webhooks.add(endpoint('c'), 2), { code: 'QUOTA_EXCEEDED' });
      await webhooks.add(endpoint('x', { tenantId: 't2' }), 2);
      const { sealedSecret, createdAtMs, ...settings } = endpoint('a', { url: 'https://example.com/other', events: ['job.failed'], active: false, description: 'mine' });
      assert.deepEqual([await webhooks.update({ ...settings, tenantId: 't2' }), await webhooks.delete('t2', 'a'), await webhooks.update({ ...settings, id: 'none' })], [false, false, false]);
      assert.equal(await webhooks.update(settings), true);
      const again = (await reopen()).webhooks;
      assert.deepEqual(await again.get('t1', 'a'), { ...settings, sealedSecret, createdAtMs });
      assert.equal(await again.get('t2', 'a'), undefined);
      assert.deepEqual((await again.list('t1')).map(({ id }) => id), ['b', 'a']);
      assert.deepEqual([await again.delete('t1', 'a'), await again.delete('t1', 'a')], [true, false]);
    },
  },
  {
    name: 'every end of a job is owed to the active endpoints of its tenant that want it, once',
    run: async ({ jobs, webhooks }) => {
      await webhooks.add(endpoint('all'), 9);
      await webhooks.add(endpoint('failures', { events: ['job.failed'] }), 9);
      await webhooks.add(endpoint('asleep', { active: false }), 9);
      await webhooks.add(endpoint('others', { tenantId: 't2' }), 9);
      for (const id of ['done', 'failed', 'cancelled', 'waiting']) await jobs.add(job(id, { dueAtMs: NOW_MS + ['done', 'failed', 'cancelled', 'waiting'].indexOf(id) }));
      await jobs.add(job('live', { status: 'completed', endedAtMs: NOW_MS + 4 }), { outcome: outcome('said live') });
      await jobs.lease('w', NOW_MS + 1, LEASE_MS);
      await jobs.lease('w', NOW_MS + 1, LEASE_MS);
      await jobs.complete('done', 'w', outcome('said'), usage('done'), NOW_MS + 1);
      await jobs.fail('failed', 'w', FAULT, NOW_MS + 2);
      await jobs.cancel('t1', 'cancelled', NOW_MS + 3);
      // What ended stays ended.
      await jobs.cancel('t1', 'done', NOW_MS + 9);
      const owed = await webhooks.lease(NOW_MS + 9, LEASE_MS, 100);
      const told = owed.map(({ endpointId, event, jobId, createdAtMs }) => `${endpointId} ${event} ${String(jobId)} ${String(createdAtMs - NOW_MS)}`);
      assert.deepEqual(told.sort(), ['all job.cancelled cancelled 3', 'all job.completed done 1', 'all job.completed live 4', 'all job.failed failed 2', 'failures job.failed failed 2']);
      assert.ok(owed.every(({ id, tenantId }) => /^evt_[0-9a-f]{32}$/.test(id) && tenantId === 't1'));
      assert.equal(new Set(owed.map(({ id }) => id)).size, owed.length);
    },
  },
  {
    name: 'a delivery is handed out when it is due, to one, and its attempts are kept; it can be owed once more',
    run: async ({ jobs, webhooks }, reopen) => {
      await webhooks.add(endpoint('a'), 9);
      await jobs.add(job('j', { status: 'completed', endedAtMs: NOW_MS }));
      const [first, second] = await Promise.all([webhooks.lease(NOW_MS, LEASE_MS, 10), webhooks.lease(NOW_MS, LEASE_MS, 10)]);
      assert.deepEqual([first.length, second.length], [1, 0]);
      const id = first[0]?.id ?? '';
      await webhooks.settle(id, { atMs: NOW_MS + 1, retryAtMs: NOW_MS + 60_000, responseStatus: 500, problem: 'status 500' });
      const again = (await reopen()).webhooks;
      assert.deepEqual(await again.lease(NOW_MS + 59_999, LEASE_MS, 10), []);
      assert.deepEqual((await again.lease(NOW_MS + 60_000, LEASE_MS, 10)).map(({ attempts, responseStatus, problem }) => [attempts, responseStatus, problem]), [[1, 500, 'status 500']]);
      await again.settle(id, { atMs: NOW_MS + 2, retryAtMs: null, responseStatus: 204, problem: null });
      const delivered = await again.delivery('t1', id);
      assert.deepEqual([delivered?.dueAtMs, delivered?.deliveredAtMs, delivered?.attempts], [null, NOW_MS + 2, 2]);
      assert.deepEqual([await again.lease(NOW_MS * 2, LEASE_MS, 10), await again.delivery('t2', id), await again.redeliver('t2', id, NOW_MS)], [[], undefined, false]);
      assert.equal(await again.redeliver('t1', id, NOW_MS + 5), true);
      assert.deepEqual((await again.lease(NOW_MS + 5, LEASE_MS, 10)).map((each) => [each.id, each.attempts, each.deliveredAtMs]), [[id, 0, null]]);
      await again.settle(id, { atMs: NOW_MS + 6, retryAtMs: null, responseStatus: null, problem: 'no answer' });
      const dead = await again.delivery('t1', id);
      assert.deepEqual([dead?.dueAtMs, dead?.deliveredAtMs, dead?.problem], [null, null, 'no answer']);
    },
  },
  {
    name: 'deliveries are listed newest first, and go with their job and their endpoint',
    run: async ({ jobs, webhooks }) => {
      for (const id of ['a', 'b']) await webhooks.add(endpoint(id), 9);
      for (const [index, id] of ['one', 'two', 'three'].entries()) await jobs.add(job(id, { status: 'completed', endedAtMs: NOW_MS + index }));
      const fresh = { attempts: 0, dueAtMs: NOW_MS, deliveredAtMs: null, responseStatus: null, problem: null };
      await webhooks.owe({ id: 'evt_test', tenantId: 't1', endpointId: 'a', event: 'webhook.test', jobId: null, createdAtMs: NOW_MS + 9, ...fresh });
      const listed = async (endpointId: string): Promise<(string | null)[][]> =>
        (await allPages(3, (page) => webhooks.deliveries('t1', endpointId, page))).map((page) => page.map(({ jobId }) => jobId));
      assert.deepEqual(await listed('a'), [[null, 'three', 'two'], ['one']]);
      assert.deepEqual((await webhooks.deliveries('t2', 'a', { limit: 10 })).items, []);
      await jobs.delete('t1', 'two');
      assert.deepEqual(await listed('b'), [['three', 'one']]);
      await webhooks.delete('t1', 'b');
      assert.deepEqual([await listed('b'), (await webhooks.lease(NOW_MS * 2, LEASE_MS, 100)).length], [[[]], 3]);
    },
  },
];
