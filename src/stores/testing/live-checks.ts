import assert from 'node:assert/strict';
import type { StoreCheck } from './check.ts';
import { job, NOW_MS, outcome, transcript } from './records.ts';

const live = (id: string, atMs = NOW_MS) => job(id, { source: { kind: 'live', transport: 'webrtc' }, status: 'running', createdAtMs: atMs, backend: 'A' });
const said = (text: string) => ({ ...transcript(text).utterances[0]!, id: text });

export const liveChecks: readonly StoreCheck[] = [
  {
    name: 'what was said in a session that nobody ended is there after a new start, in its order',
    run: async (store, reopen) => {
      await store.live.open(live('b', NOW_MS + 1), 'm2');
      await store.live.open(live('a'), 'm1');
      for (const text of ['one two', 'three', 'one two']) await store.live.say('a', said(text));
      await store.live.say('b', said('of b'));
      await store.live.say('nobody', said('lost'));
      await assert.rejects(store.live.open(live('a'), 'm1'), { code: 'SLUG_CONFLICT' });
      const { live: reopened } = await reopen();
      assert.deepEqual(await reopened.orphans(10), [
        { job: live('a'), model: 'm1', utterances: [said('one two'), said('three'), said('one two')] },
        { job: live('b', NOW_MS + 1), model: 'm2', utterances: [said('of b')] },
      ]);
      assert.deepEqual((await reopened.orphans(1)).map(({ job: { id } }) => id), ['a']);
    },
  },
  {
    name: 'what a dialect keeps of a session can be changed while it is spoken',
    run: async ({ live: sessions }) => {
      await sessions.open(live('a'), 'm');
      await sessions.annotate('a', { metadata: { one: 1 } });
      await sessions.annotate('nobody', {});
      const [orphan] = await sessions.orphans(10);
      assert.deepEqual(orphan?.job, { ...live('a'), request: { ...live('a').request, extra: { metadata: { one: 1 } } } });
    },
  },
  {
    name: 'the job of a session ends what is kept of it while it is spoken, and nothing else',
    run: async ({ live: sessions, jobs }) => {
      for (const id of ['a', 'b']) await sessions.open(live(id), 'm');
      await sessions.say('a', said('one'));
      await sessions.say('b', said('two'));
      await jobs.add(job('a', { source: { kind: 'live', transport: 'webrtc' }, status: 'completed', endedAtMs: NOW_MS }), { outcome: outcome('one') });
      await sessions.say('a', said('late'));
      assert.deepEqual(await sessions.orphans(10), [{ job: live('b'), model: 'm', utterances: [said('two')] }]);
      await assert.rejects(jobs.add(job('a')), { code: 'SLUG_CONFLICT' });
    },
  },
  {
    name: 'callbacks of sessions are owed until they are settled, in their order, also after a new start',
    run: async (store, reopen) => {
      const callback = (id: string, sessionId: string) => ({ id, tenantId: 't1', sessionId, url: 'https://example.com/', body: `{"of":"${id}"}` });
      for (const [id, sessionId] of [['evt_9', 's1'], ['evt_1', 's2'], ['evt_5', 's1']] as const) await store.live.owe(callback(id, sessionId));
      await assert.rejects(store.live.owe(callback('evt_1', 's3')), { code: 'SLUG_CONFLICT' });
      await store.live.settle('evt_1');
      await store.live.settle('evt_1');
      const { live: reopened } = await reopen();
      assert.deepEqual(await reopened.owed(10), [callback('evt_9', 's1'), callback('evt_5', 's1')]);
      assert.deepEqual((await reopened.owed(1)).map(({ id }) => id), ['evt_9']);
    },
  },
];
