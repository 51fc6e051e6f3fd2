import assert from 'node:assert/strict';
import type { TenantPolicy } from '../../core/store/tenants.ts';
import type { StoreCheck } from './check.ts';
import { allPages, job, key, NOW_MS, outcome, speaker, transcript } from './records.ts';

const POLICY: TenantPolicy = {
  allowedBackends: 'AB',
  defaultBackend: 'A',
  residency: 'any',
  maxConcurrentSessions: 3,
  maxSessionSeconds: null,
  budget: { seconds: 3600, period: 'month' },
};

/** Tenants, keys, transcripts, speakers and the audit log. */
export const recordChecks: readonly StoreCheck[] = [
  {
    name: 'a policy is absent until it is put, and the last one put counts',
    run: async ({ tenants }, reopen) => {
      assert.equal(await tenants.policy('t1'), undefined);
      await tenants.putPolicy('t1', POLICY, NOW_MS);
      await tenants.putPolicy('t1', { ...POLICY, budget: null }, NOW_MS);
      const again = (await reopen()).tenants;
      assert.deepEqual(await again.policy('t1'), { ...POLICY, budget: null });
      assert.equal(await again.policy('t2'), undefined);
    },
  },
  {
    name: 'a secret is of one tenant, can be replaced and removed',
    run: async ({ tenants }) => {
      await tenants.putSecret('t1', 'b', Uint8Array.of(1, 2));
      await tenants.putSecret('t1', 'a', Uint8Array.of(3));
      await tenants.putSecret('t1', 'b', Uint8Array.of(0, 255));
      assert.deepEqual(await tenants.secretNames('t1'), ['a', 'b']);
      assert.deepEqual([...((await tenants.secret('t1', 'b')) ?? [])], [0, 255]);
      assert.deepEqual([await tenants.secret('t2', 'b'), await tenants.secretNames('t2')], [undefined, []]);
      await tenants.putSecret('t1', 'b', null);
      await tenants.putSecret('t1', 'b', null);
      assert.deepEqual([await tenants.secret('t1', 'b'), await tenants.secretNames('t1')], [undefined, ['a']]);
    },
  },
  {
    name: 'a key is found by its secret, listed newest first, and of one tenant',
    run: async ({ keys }, reopen) => {
      const [old, young] = [key('key_1', { budget: { seconds: 60, period: 'day' }, maxSessions: 2, expiresAtMs: NOW_MS + 1 }), key('key_2', { createdAtMs: NOW_MS + 1 })];
      await keys.add(old);
      await keys.add(young);
      await keys.add(key('key_3', { tenantId: 't2' }));
      const again = (await reopen()).keys;
      assert.deepEqual(await again.bySecretHash(old.secretHash), old);
      assert.equal(await again.bySecretHash('something else'), undefined);
      assert.deepEqual(await again.list('t1'), [young, old]);
      assert.deepEqual([await again.get('t1', 'key_1'), await again.get('t2', 'key_1')], [old, undefined]);
    },
  },
  {
    name: 'id and secret of a key are taken once',
    run: async ({ keys }) => {
      await keys.add(key('key_1'));
      await assert.rejects(keys.add(key('key_1', { secretHash: 'other' })), { code: 'SLUG_CONFLICT' });
      await assert.rejects(keys.add(key('key_2', { secretHash: key('key_1').secretHash })), { code: 'SLUG_CONFLICT' });
    },
  },
  {
    name: 'a revoked key keeps its first time, and only its tenant revokes it',
    run: async ({ keys }) => {
      await keys.add(key('key_1'));
      assert.deepEqual([await keys.revoke('t2', 'key_1', 1), await keys.revoke('t1', 'key_1', 5), await keys.revoke('t1', 'key_1', 9), await keys.revoke('t1', 'key_2', 9)], [false, true, true, false]);
      assert.equal((await keys.get('t1', 'key_1'))?.revokedAtMs, 5);
    },
  },
  {
    name: 'an edit is a new version over the newest, and the old ones stay',
    run: async ({ jobs, transcripts }) => {
      await jobs.add(job('a', { status: 'completed' }), { outcome: outcome('for scores') });
      assert.equal(await transcripts.edit('t1', 'a', 1, transcript('four score'), 'key_1', NOW_MS + 5, 'a number'), 2);
      const edits = await Promise.allSettled(['x', 'y', 'z'].map((text) => transcripts.edit('t1', 'a', 2, transcript(text), 'key_2', NOW_MS + 6)));
      assert.deepEqual(edits.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected']);
      await assert.rejects(transcripts.edit('t1', 'a', 1, transcript('late'), 'key_1', NOW_MS), { code: 'SESSION_CONFLICT' });
      await assert.rejects(transcripts.edit('t1', 'a', 9, transcript('early'), 'key_1', NOW_MS), { code: 'SESSION_CONFLICT' });
      assert.deepEqual((await transcripts.versions('t1', 'a')).map(({ version, editedBy, notes }) => [version, editedBy, notes]), [[1, null, null], [2, 'key_1', 'a number'], [3, 'key_2', null]]);
      assert.deepEqual(await transcripts.get('t1', 'a', 2), { jobId: 'a', version: 2, createdAtMs: NOW_MS + 5, editedBy: 'key_1', notes: 'a number', transcript: transcript('four score') });
      assert.equal((await transcripts.get('t1', 'a'))?.version, 3);
      assert.equal(await transcripts.get('t1', 'a', 4), undefined);
      await assert.rejects(transcripts.edit('t2', 'a', 3, transcript('x'), 'key_1', NOW_MS), { code: 'NOT_FOUND' });
      await assert.rejects(transcripts.edit('t1', 'b', 1, transcript('x'), 'key_1', NOW_MS), { code: 'NOT_FOUND' });
      assert.deepEqual([await transcripts.get('t2', 'a'), await transcripts.versions('t2', 'a')], [undefined, []]);
    },
  },
  {
    name: 'a search finds every word in the newest version, of the tenant alone, page by page',
    run: async ({ jobs, transcripts }) => {
      for (const [index, text] of ['the quick Brown fox', 'a brown bear', 'Café au lait', 'brown sugar'].entries()) {
        await jobs.add(job(String(index), { status: 'completed', createdAtMs: NOW_MS + index }), { outcome: outcome(text) });
      }
      await jobs.add(job('x', { tenantId: 't2', status: 'completed' }), { outcome: outcome('brown of another') });
      const found = async (query: string): Promise<string[]> => (await transcripts.search('t1', query, { limit: 10 })).items.map(({ jobId }) => jobId);
      assert.deepEqual(await found('brown'), ['3', '1', '0']);
      assert.deepEqual(await found('FOX  brown'), ['0']);
      assert.deepEqual(await found('brown fo'), []);
      assert.deepEqual(await found('cafe'), ['2']);
      for (const nothing of ['', ' ', '"', '* -', 'fox OR bear', 'NOT', 'text:fox', 'fox"']) await assert.doesNotReject(found(nothing));
      assert.deepEqual([await found('fox OR bear'), await found('bro*'), await found('*')], [[], [], []]);
      assert.match((await transcripts.search('t1', 'fox', { limit: 1 })).items[0]?.excerpt ?? '', /quick Brown fox/);
      assert.deepEqual(await allPages(2, (page) => transcripts.search('t1', 'brown', page)).then((pages) => pages.map((page) => page.length)), [2, 1]);
      await transcripts.edit('t1', '0', 1, transcript('the quick red fox'), 'key_1', NOW_MS);
      assert.deepEqual([await found('brown'), await found('red fox')], [['3', '1'], ['0']]);
    },
  },
  {
    name: 'a speaker is pending until settled once, and its print is there while it is ready and has not expired',
    run: async ({ speakers }) => {
      const expiring = speaker('spk_1', { expiresAtMs: NOW_MS + 10 });
      await speakers.add(expiring);
      await speakers.add(speaker('spk_2'));
      await speakers.add(speaker('spk_3', { tenantId: 't2' }));
      assert.deepEqual(await speakers.get('t1', 'spk_1'), expiring);
      const print = { engine: 'e1', sealed: Uint8Array.of(7, 0, 255) };
      assert.deepEqual([await speakers.settle('t2', 'spk_1', { print }), await speakers.settle('t1', 'spk_1', { print }), await speakers.settle('t1', 'spk_1', { failureReason: 'late' })], [false, true, false]);
      assert.equal(await speakers.settle('t1', 'spk_2', { failureReason: 'too short' }), true);
      await speakers.settle('t2', 'spk_3', { print });
      const failed = await speakers.get('t1', 'spk_2');
      assert.deepEqual([failed?.status, failed?.failureReason], ['failed', 'too short']);
      const prints = await speakers.voiceprints('t1', 'e1', NOW_MS);
      assert.deepEqual(prints.map(({ speakerId, displayName, engine, sealed }) => [speakerId, displayName, engine, ...sealed]), [['spk_1', 'Name of spk_1', 'e1', 7, 0, 255]]);
      assert.deepEqual([await speakers.voiceprints('t1', 'e2', NOW_MS), await speakers.voiceprints('t1', 'e1', NOW_MS + 10)], [[], []]);
      assert.deepEqual((await speakers.expired(NOW_MS + 10, 5)).map(({ id }) => id), ['spk_1']);
      assert.deepEqual(await speakers.expired(NOW_MS + 9, 5), []);
    },
  },
  {
    name: 'speakers that wait are found again, and so are the recordings that are still needed',
    run: async ({ speakers }, reopen) => {
      await speakers.add(speaker('spk_b', { createdAtMs: NOW_MS + 1 }));
      await speakers.add(speaker('spk_a', { tenantId: 't2' }));
      await speakers.add(speaker('spk_c', { createdAtMs: NOW_MS + 2 }));
      const again = (await reopen()).speakers;
      assert.deepEqual((await again.pending(2)).map(({ id }) => id), ['spk_a', 'spk_b']);
      await again.settle('t2', 'spk_a', { failureReason: 'too short' });
      await again.erase('t1', 'spk_b', NOW_MS);
      assert.deepEqual((await again.pending(5)).map(({ id }) => id), ['spk_c']);
      assert.deepEqual([...(await again.blobs())].toSorted(), ['blb_consent_spk_a', 'blb_consent_spk_c', 'blb_reference_spk_c']);
    },
  },
  {
    name: 'an erased speaker leaves its consent and nothing else, for good',
    run: async (store, reopen) => {
      await store.speakers.add(speaker('spk_1', { expiresAtMs: NOW_MS }));
      await store.speakers.settle('t1', 'spk_1', { print: { engine: 'e1', sealed: Uint8Array.of(7) } });
      assert.deepEqual([await store.speakers.erase('t2', 'spk_1', 5), await store.speakers.erase('t1', 'spk_1', 5), await store.speakers.erase('t1', 'spk_1', 9)], [false, true, true]);
      const { speakers } = await reopen();
      const tombstone = await speakers.get('t1', 'spk_1');
      assert.deepEqual([tombstone?.status, tombstone?.erasedAtMs, tombstone?.consent], ['erased', 5, speaker('spk_1').consent]);
      assert.deepEqual((await speakers.list('t1', { limit: 10 })).items, []);
      assert.deepEqual(await speakers.voiceprints('t1', 'e1', 0), []);
      assert.deepEqual(await speakers.expired(NOW_MS, 5), []);
      assert.equal(await speakers.settle('t1', 'spk_1', { print: { engine: 'e1', sealed: Uint8Array.of(7) } }), false);
    },
  },
  {
    name: 'speakers are listed newest first, page by page',
    run: async ({ speakers }) => {
      for (const [index, id] of ['a', 'b', 'c'].entries()) await speakers.add(speaker(id, { createdAtMs: NOW_MS + index }));
      await speakers.add(speaker('x', { tenantId: 't2' }));
      await assert.rejects(speakers.add(speaker('a', { consent: { ...speaker('a').consent, id: 'cns_other' } })), { code: 'SLUG_CONFLICT' });
      const pages = await allPages(2, (page) => speakers.list('t1', page));
      assert.deepEqual(pages.map((page) => page.map(({ id }) => id)), [['c', 'b'], ['a']]);
    },
  },
  {
    name: 'the audit log is told newest first in the order of writing, whatever the clock said, to its tenant',
    run: async ({ audit }, reopen) => {
      const record = (subject: string, atMs: number) => ({ tenantId: 't1', keyId: 'key_1', atMs, action: 'key.create', subject, details: { name: 'x', count: 1, none: null, yes: true } });
      for (const [subject, atMs] of [['a', 1], ['b', 3], ['c', 2]] as const) await audit.append(record(subject, atMs));
      await audit.append({ ...record('x', 9), tenantId: 't2' });
      const again = (await reopen()).audit;
      assert.deepEqual(await allPages(2, (page) => again.list('t1', page)), [[record('c', 2), record('b', 3)], [record('a', 1)]]);
    },
  },
];
