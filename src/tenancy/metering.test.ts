import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { guardedDoor, type SessionWish } from '../core/admission.ts';
import { SAMPLE_RATE_HZ } from '../core/audio.ts';
import { ManualClock } from '../core/clock.ts';
import { EarshotError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Session } from '../core/session/session.ts';
import { Sessions } from '../core/session/sessions.ts';
import { FedSource, joined, loud, quiet, settle } from '../core/testing/audio.ts';
import { placesAt } from '../core/testing/fake-backend.ts';
import { FakeDetectors } from '../core/testing/fake-detector.ts';
import { FakeRecognizer } from '../core/testing/fake-recognizer.ts';
import type { NumberedEvent } from '../core/transcript.ts';
import { openSqliteStore } from '../stores/sqlite.ts';
import { Metering } from './metering.ts';

const NOW_MS = Date.UTC(2026, 10, 21, 23, 59);
const CALLER: Principal = { tenantId: 't1', keyId: 'key_1', permissions: new Set(['scaiecho:transcribe']) };
const LIVE: SessionWish = { transport: 'websocket', priority: 'live' };
const POLICY = { allowedBackends: 'A', defaultBackend: 'A', residency: 'any', maxConcurrentSessions: null, maxSessionSeconds: null } as const;
const KEY = { id: 'key_1', tenantId: 't1', name: 'k', secretHash: 'h', permissions: [], createdAtMs: 0, expiresAtMs: null, revokedAtMs: null, maxSessions: null } as const;
const MONTH = { owner: 'tenant', id: 't1', period: '2026-11' } as const;
const DAY = { owner: 'key', id: 'key_1', period: '2026-11-21' } as const;
const ALL = { fromMs: 0, toMs: NOW_MS * 2, groupBy: ['key', 'transport'] } as const;

async function rig(budgets: { readonly tenantSeconds?: number; readonly keySeconds?: number; readonly maxSessions?: number } = {}) {
  const clock = new ManualClock();
  const recognizer = new FakeRecognizer({ maxSessions: budgets.maxSessions ?? 20 });
  const store = await openSqliteStore(':memory:');
  if (budgets.tenantSeconds !== undefined) await store.tenants.putPolicy('t1', { ...POLICY, budget: { seconds: budgets.tenantSeconds, period: 'month' } }, 0);
  await store.keys.add({ ...KEY, budget: budgets.keySeconds === undefined ? null : { seconds: budgets.keySeconds, period: 'day' } });
  let ids = 0;
  const sessions = new Sessions({ clock, createId: () => `ses_${String((ids += 1))}`, createDetector: new FakeDetectors().create });
  const logged: string[] = [];
  const metering = new Metering({ store, clock, now: () => NOW_MS + clock.nowMs(), log: { warn: (_fields, message) => void logged.push(message), error: (_fields, message) => void logged.push(message) } });
  const open = guardedDoor([metering.guard], async (caller, wish) => sessions.open(caller, wish, { admit: placesAt(recognizer) }));
  return { clock, recognizer, store, sessions, metering, open, logged };
}

/** Lets it hear that much, in frames of a tenth of a second, and end. */
function hears(session: Session, ...pieces: readonly Int16Array[]): Promise<NumberedEvent[]> {
  session.addLane(new FedSource().pcm(joined(...pieces), SAMPLE_RATE_HZ / 10).end(), 'lane');
  void session.settled().then(() => session.close('finished'));
  return Array.fromAsync(session.events());
}

/** A minute goes by without much to compute. */
function idles(session: Session, seconds: number): Promise<NumberedEvent[]> {
  const source = new FedSource();
  for (let second = 0; second < seconds; second += 1) source.gap(1000);
  session.addLane(source.end(), 'lane');
  void session.settled().then(() => session.close('finished'));
  return Array.fromAsync(session.events());
}

const closing = (events: readonly NumberedEvent[]) => {
  const last = events.at(-1);
  assert.ok(last?.type === 'session.closed');
  return last;
};

test('a session leaves one record of what it heard, speech apart, however it ends', async () => {
  const { open, metering, store, clock } = await rig();
  const finished = await open(CALLER, LIVE);
  finished.countBytes(123);
  await hears(finished, quiet(500), loud(1000), quiet(1500));
  const failed = await open(CALLER, { ...LIVE, transport: 'webrtc' });
  failed.addLane(new FedSource().pcm(quiet(1000)).fail(new EarshotError('AUDIO_MALFORMED', 'Broken.')), 'lane');
  const destroyed = await open(CALLER, { ...LIVE, transport: 'http', priority: 'batch' });
  destroyed.addLane(new FedSource().pcm(quiet(2000)), 'lane');
  await settle();
  clock.advance(500);
  await destroyed.destroy(new EarshotError('SESSION_CONFLICT', 'Given up.'));
  await failed.closed;
  await metering.settled();
  const [http, webrtc, socket] = await store.usage.sum('t1', ALL);
  const speech = finished.totals()[0]?.speechSamples ?? 0;
  assert.ok(speech >= SAMPLE_RATE_HZ && speech < 2 * SAMPLE_RATE_HZ, String(speech));
  assert.deepEqual(socket, { keyId: 'key_1', transport: 'websocket', calls: 1, heardSamples: 3 * SAMPLE_RATE_HZ, speechSamples: speech, audioBytes: 123, durationMs: 0 });
  assert.deepEqual([webrtc?.transport, webrtc?.calls, webrtc?.heardSamples, webrtc?.audioBytes], ['webrtc', 1, SAMPLE_RATE_HZ, 0]);
  assert.deepEqual([http?.transport, http?.calls, http?.heardSamples, http?.durationMs], ['http', 1, destroyed.totals()[0]?.heardSamples, 500]);
});

test('when the server stops, what its sessions heard is recorded', async () => {
  const { open, metering, store, sessions } = await rig({ tenantSeconds: 1000 });
  const all = await Promise.all([open(CALLER, LIVE), open(CALLER, LIVE)]);
  for (const session of all) session.addLane(new FedSource().pcm(quiet(700)), 'lane');
  await settle();
  await sessions.drain();
  await metering.settled();
  assert.deepEqual(await store.usage.balance(MONTH, NOW_MS), { spentSamples: 2 * 0.7 * SAMPLE_RATE_HZ, reservedSamples: 0 });
  assert.equal((await store.usage.sum('t1', ALL))[0]?.calls, 2);
});

test('a budget that is used up ends the session with all that it was heard saying, and lets no other in', async () => {
  const { open, metering, store } = await rig({ tenantSeconds: 10, keySeconds: 2 });
  const events = await hears(await open(CALLER, LIVE), loud(1500), quiet(4000));
  assert.equal(closing(events).error?.code, 'BUDGET_EXCEEDED');
  assert.deepEqual(events.filter((event) => event.type === 'utterance.final').map(({ utterance }) => utterance.text), ['w0 w1 w2']);
  await metering.settled();
  assert.deepEqual(await store.usage.balance(DAY, NOW_MS), { spentSamples: 2 * SAMPLE_RATE_HZ, reservedSamples: 0 });
  await assert.rejects(open(CALLER, LIVE), { code: 'BUDGET_EXCEEDED' });
  // Another key of the tenant has what is left of the tenant's.
  const other = await hears(await open({ ...CALLER, keyId: 'key_2' }, LIVE), quiet(9000));
  assert.deepEqual([closing(other).error?.code, closing(other).lanes[0]?.heardSamples], ['BUDGET_EXCEEDED', 8 * SAMPLE_RATE_HZ]);
});

test('a warning comes once, when four fifths are used', async () => {
  const { open } = await rig({ tenantSeconds: 200 });
  const events = await idles(await open(CALLER, LIVE), 190);
  const warnings = events.filter((event) => event.type === 'budget.warning');
  assert.deepEqual(warnings.map(({ owner, leftSamples }) => [owner, leftSamples / SAMPLE_RATE_HZ]), [['tenant', 40]]);
  assert.equal(closing(events).error, undefined);
});

test('a minute at a time is put aside, and what is refused or not heard is given back', async () => {
  const { open, metering, store, clock } = await rig({ tenantSeconds: 1000, maxSessions: 1 });
  const reserved = async (): Promise<number> => (await store.usage.balance(MONTH, NOW_MS + clock.nowMs())).reservedSamples / SAMPLE_RATE_HZ;
  const session = await open(CALLER, LIVE);
  assert.equal(await reserved(), 60);
  await assert.rejects(open(CALLER, LIVE), { code: 'CAPACITY_EXCEEDED' });
  await settle();
  assert.equal(await reserved(), 60);
  const source = new FedSource();
  session.addLane(source, 'lane');
  for (let minute = 0; minute < 9; minute += 1) {
    source.pcm(quiet(100));
    await settle();
    clock.advance(59_000);
    await settle();
  }
  assert.ok((await reserved()) >= 60, 'renewed while the session lives, though it hears little');
  source.end();
  await session.close('finished');
  await metering.settled();
  assert.deepEqual(await store.usage.balance(MONTH, NOW_MS), { spentSamples: 0.9 * SAMPLE_RATE_HZ, reservedSamples: 0 });
});

test('a call counts for the day on which it began', async () => {
  const { open, metering, store, clock } = await rig({ keySeconds: 100 });
  const session = await open(CALLER, LIVE);
  clock.advance(59_999);
  const late = hears(session, quiet(1000));
  clock.advance(2);
  await late;
  await metering.settled();
  assert.equal((await store.usage.balance(DAY, NOW_MS)).spentSamples, SAMPLE_RATE_HZ);
});

test('the session of a job leaves what it heard to the job, whose completion records it', async () => {
  const { open, metering, store } = await rig({ tenantSeconds: 100 });
  await hears(await open(CALLER, { transport: 'job', priority: 'batch', jobId: 'job_1' }), quiet(3000));
  await metering.settled();
  assert.deepEqual(await store.usage.balance(MONTH, NOW_MS), { spentSamples: 0, reservedSamples: 3 * SAMPLE_RATE_HZ });
  assert.deepEqual(await store.usage.sum('t1', ALL), []);
});

test('what a session has heard outlives its server: all of it where somebody was told a final, and else all but the last seconds', async () => {
  const { open, store, clock, logged } = await rig({ tenantSeconds: 1000 });
  const source = new FedSource().pcm(joined(loud(1000), quiet(1500)));
  const session = await open(CALLER, LIVE);
  session.addLane(source, 'lane');
  for await (const event of session.events()) if (event.type === 'utterance.final') break;
  const heard = async (): Promise<number> => {
    const next = new Metering({ store, clock, now: () => NOW_MS + clock.nowMs(), log: { warn: (_fields, message) => void logged.push(message), error: () => assert.fail() } });
    await next.recover();
    return (await store.usage.balance(MONTH, NOW_MS)).spentSamples;
  };
  const silent = await open({ ...CALLER, keyId: 'key_2' }, LIVE);
  silent.addLane(new FedSource().pcm(quiet(4000)), 'lane');
  const refused = await open({ ...CALLER, keyId: 'key_2' }, { transport: 'job', priority: 'batch', jobId: 'job_1' });
  refused.addLane(new FedSource().pcm(quiet(4000)).end(), 'lane');
  await settle();
  const told = await heard();
  assert.ok(told > 1.5 * SAMPLE_RATE_HZ && told <= 2.5 * SAMPLE_RATE_HZ, String(told));
  clock.advance(5000);
  await settle();
  // The one that the first start after it has recorded stays as it is.
  assert.deepEqual([await heard(), (await store.usage.sum('t1', ALL)).map(({ keyId, calls }) => [keyId, calls])], [told + 4 * SAMPLE_RATE_HZ, [['key_1', 1], ['key_2', 1]]]);
  assert.equal(logged.length, 2);
});

test('a store that fails ends the session and is told of', async () => {
  const { open, metering, store, logged } = await rig({ tenantSeconds: 1000 });
  const session = await open(CALLER, LIVE);
  await store.close();
  assert.equal(closing(await idles(session, 100)).error?.code, 'INTERNAL');
  await metering.settled();
  assert.deepEqual(logged, ['usage could not be recorded']);
});

test('however many sessions there are at once, a budget is never passed and usage adds up to the sample', async () => {
  const stream = fc.record({ seconds: fc.integer({ min: 0, max: 200 }), isKey2: fc.boolean(), isDestroyed: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 400 }), fc.array(stream, { minLength: 1, maxLength: 8 }), async (tenantSeconds, keySeconds, streams) => {
      const { open, metering, store } = await rig({ tenantSeconds, keySeconds });
      const never = async (): Promise<void> => {
        for (const [account, seconds] of [[MONTH, tenantSeconds], [DAY, keySeconds]] as const) {
          const { spentSamples, reservedSamples } = await store.usage.balance(account, NOW_MS);
          assert.ok(spentSamples + reservedSamples <= seconds * SAMPLE_RATE_HZ, `${account.owner}: ${String(spentSamples)} + ${String(reservedSamples)}`);
        }
      };
      let heardSamples = 0;
      await Promise.all(
        streams.map(async ({ seconds, isKey2, isDestroyed }) => {
          const opened = await open(isKey2 ? { ...CALLER, keyId: 'key_2' } : CALLER, LIVE).catch((error: unknown) => error);
          await never();
          if (!('closed' in (opened as object))) {
            assert.equal((opened as EarshotError).code, 'BUDGET_EXCEEDED');
            return;
          }
          const session = opened as Session;
          const ended = idles(session, seconds);
          if (isDestroyed) await settle().then(() => session.destroy(new EarshotError('SESSION_CONFLICT', 'Given up.')));
          const { lanes, error } = closing(await ended);
          heardSamples += lanes[0]?.heardSamples ?? 0;
          if (!isDestroyed && lanes[0]?.heardSamples !== seconds * SAMPLE_RATE_HZ) assert.equal(error?.code, 'BUDGET_EXCEEDED');
          await never();
        }),
      );
      await metering.settled();
      await never();
      assert.deepEqual(await store.usage.balance(MONTH, NOW_MS), { spentSamples: heardSamples, reservedSamples: 0 });
      assert.equal((await store.usage.sum('t1', { ...ALL, groupBy: [] }))[0]?.heardSamples, heardSamples);
      await store.close();
    }),
    { numRuns: 12 },
  );
});
