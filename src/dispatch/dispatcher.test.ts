import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../core/clock.ts';
import { EarshotError } from '../core/errors.ts';
import { PERMISSIONS, type Principal } from '../core/principal.ts';
import type { Session } from '../core/session/session.ts';
import { Sessions } from '../core/session/sessions.ts';
import type { TenantPolicy } from '../core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from '../core/tenant-policy.ts';
import { FedSource, joined, loud, quiet, settle } from '../core/testing/audio.ts';
import { backendOf } from '../core/testing/fake-backend.ts';
import { FakeDetectors } from '../core/testing/fake-detector.ts';
import { FakeRecognizer } from '../core/testing/fake-recognizer.ts';
import type { NumberedEvent } from '../core/transcript.ts';
import { Dispatcher } from './dispatcher.ts';

const CALLER: Principal = { tenantId: 'tenant', keyId: 'key', permissions: new Set(PERMISSIONS) };
const LIVE = { transport: 'websocket', priority: 'live' } as const;

function rig(changes?: Partial<TenantPolicy>) {
  const clock = new ManualClock();
  const a = new FakeRecognizer({ maxSessions: 1 });
  const b = new FakeRecognizer({ maxSessions: 1 });
  const sessions = new Sessions({ clock, createId: () => 'ses', createDetector: new FakeDetectors().create, limits: { maxIdleMs: Infinity } });
  const asked: string[] = [];
  const failures: string[] = [];
  const dispatcher = new Dispatcher({
    backends: [backendOf(a, { id: 'local', model: 'ma' }), backendOf(b, { id: 'relay', letter: 'B', model: 'mb' })],
    sessions,
    clock,
    onFailure: ({ code }) => failures.push(code),
    policies: {
      policy: async (tenantId) => {
        asked.push(tenantId);
        return changes && { ...DEFAULT_TENANT_POLICY, ...changes };
      },
    },
  });
  return { clock, a, b, sessions, dispatcher, asked, failures, open: (wish = {}) => dispatcher.open(CALLER, { ...LIVE, ...wish }) };
}

test('without a policy a session runs on A, and on B once A is full', async () => {
  const { open, sessions, asked } = rig();
  const one = await open();
  const two = await open();
  assert.deepEqual([one.backend, one.model, two.backend, two.model], ['A', 'ma', 'B', 'mb']);
  assert.deepEqual(asked, ['tenant', 'tenant']);
  await assert.rejects(open(), (error) => error instanceof EarshotError && error.code === 'CAPACITY_EXCEEDED' && error.retryAfterSeconds === 5);
  await sessions.drain();
});

test('a tenant pinned to A is not sent to B when A is full', async () => {
  const { open, b, sessions } = rig({ allowedBackends: 'A' });
  await open({ backendPreference: 'prefer_relay' });
  await assert.rejects(open({ backendPreference: 'prefer_relay' }), { code: 'CAPACITY_EXCEEDED' });
  assert.equal(b.snapshot().activeSessions, 0);
  await sessions.drain();
});

test('an engine that is down is passed over, and where it is all there is the answer says when to come back', async () => {
  const down = (recognizer: FakeRecognizer): void => {
    recognizer.admit = () => {
      throw new EarshotError('BACKEND_UNAVAILABLE', 'The engine is starting.');
    };
  };
  const both = rig();
  down(both.a);
  assert.equal((await both.open()).backend, 'B');
  await both.sessions.drain();
  const pinned = rig({ allowedBackends: 'A' });
  down(pinned.a);
  await assert.rejects(pinned.open(), (error) => error instanceof EarshotError && error.code === 'BACKEND_UNAVAILABLE' && (error.retryAfterSeconds ?? 0) > 0);
});

test('a fault that is no refusal is not hidden by trying the next', async () => {
  const { open, a, b } = rig();
  a.admit = () => {
    throw new TypeError('a bug');
  };
  await assert.rejects(open(), TypeError);
  assert.equal(b.snapshot().activeSessions, 0);
});

test('what resolution refuses takes no place', async () => {
  const { open, a, b, sessions } = rig({ allowedBackends: 'B', residency: 'self_hosted' });
  await assert.rejects(open(), { code: 'AUTHZ_PERMISSION_DENIED' });
  await assert.rejects(rig().open({ language: 'tlh' }), { code: 'VALIDATION_ERROR' });
  assert.deepEqual([a.snapshot().activeSessions, b.snapshot().activeSessions, sessions.size], [0, 0, 0]);
});

test('a stopping server takes no place either', async () => {
  const { open, a, sessions } = rig();
  await sessions.drain();
  await assert.rejects(open(), { code: 'SERVER_STOPPING' });
  assert.equal(a.snapshot().activeSessions, 0);
});

test('the policy ends a session at its longest, and never prolongs the limit of the server', async () => {
  const { open, clock } = rig({ maxSessionSeconds: 30 });
  const session = await open();
  clock.advance(29_999);
  assert.equal(session.state, 'open');
  clock.advance(1);
  await session.closed;
  const long = rig({ maxSessionSeconds: 1_000_000 });
  const endless = await long.open();
  long.clock.advance(3 * 3600_000);
  await endless.closed;
});

test('the recognizer is told for whom it works, and what the caller knows of the speech', async () => {
  const { open, a, sessions } = rig();
  const admit = a.admit.bind(a);
  let told: unknown[] = [];
  a.admit = (...args: unknown[]) => {
    told = args;
    return admit();
  };
  await open({ language: 'en', chunkSeconds: 2 });
  assert.deepEqual(told, ['live', { tenantId: 'tenant', model: 'ma', language: 'en', chunkSeconds: 2 }]);
  await sessions.drain();
});

test('a tenant can have a session while somebody that its policy allows can take one', async () => {
  const { open, dispatcher, sessions } = rig();
  await open();
  assert.deepEqual(await dispatcher.readiness('tenant'), { ready: true });
  assert.deepEqual(dispatcher.totals(), { activeSessions: 1, maxSessions: 2, restarts: 0 });
  await open();
  assert.deepEqual(await dispatcher.readiness('tenant'), { ready: false, reason: 'every recognizer is taken' });
  await sessions.drain();
  const pinned = rig({ allowedBackends: 'A' });
  await pinned.open();
  assert.deepEqual(await pinned.dispatcher.readiness('tenant'), { ready: false, reason: 'every recognizer is taken' });
  await pinned.sessions.drain();
  assert.equal((await rig({ allowedBackends: 'B', residency: 'self_hosted' }).dispatcher.readiness('tenant')).ready, false);
});

test('while the engine of this machine starts, a relay makes no server ready; once it has failed to, it does', async () => {
  const a = new FakeRecognizer();
  const started = Promise.withResolvers<void>();
  const reason = 'the engine is starting';
  let isUp = false;
  a.snapshot = () => ({ ready: isUp, ...(!isUp && { reason }), activeSessions: 0, maxSessions: 1, restarts: 0 });
  const clock = new ManualClock();
  const policies = new Map<string, TenantPolicy>([['to-b', { ...DEFAULT_TENANT_POLICY, allowedBackends: 'BA', defaultBackend: 'B' }]]);
  const dispatcher = new Dispatcher({
    backends: [{ ...backendOf(a, { id: 'local' }), ready: () => started.promise }, backendOf(new FakeRecognizer(), { id: 'relay', letter: 'B' })],
    sessions: new Sessions({ clock, createId: () => 'ses', createDetector: new FakeDetectors().create }),
    clock,
    policies: { policy: (tenantId) => Promise.resolve(policies.get(tenantId)) },
  });
  dispatcher.warmUp();
  await settle();
  assert.deepEqual(await dispatcher.readiness('tenant'), { ready: false, reason });
  assert.deepEqual(await dispatcher.readiness('to-b'), { ready: true });
  started.reject(new Error('no model'));
  await settle();
  assert.deepEqual(await dispatcher.readiness('tenant'), { ready: true });
  isUp = true;
  assert.deepEqual(await dispatcher.readiness('tenant'), { ready: true });
});

/** Speaks two half seconds into a session and answers the text of its finals. */
async function speak(session: Session, during: () => void = () => undefined): Promise<{ readonly texts: string[]; readonly events: NumberedEvent[] }> {
  const source = new FedSource().pcm(loud(1000));
  session.addLane(source, 'lane');
  await settle();
  during();
  source.pcm(joined(loud(500), quiet(1500))).end();
  await session.settled();
  await session.close('finished');
  const events: NumberedEvent[] = [];
  for await (const event of session.events()) events.push(event);
  return { texts: events.flatMap((event) => (event.type === 'utterance.final' ? [event.utterance.text] : [])), events };
}

test('a session goes on at the next backend when its own fails, and says so once, before anything of the new one', async () => {
  const { open, a, dispatcher } = rig();
  const session = await open();
  const { texts, events } = await speak(session, () => a.fail());
  assert.deepEqual(texts, ['w0 w1 w2']);
  const changes = events.filter((event) => event.type === 'backend.changed');
  assert.deepEqual(changes.map(({ from, to, model }) => [from, to, model]), [['A', 'B', 'mb']]);
  assert.deepEqual([session.backend, session.model, events.at(-1)?.type, dispatcher.failovers], ['B', 'mb', 'session.closed', 1]);
  assert.deepEqual(events.map(({ seq }) => seq), events.map(({ seq }) => seq).toSorted((one, two) => one - two));
});

test('a tenant pinned to A is not failed over to B', async () => {
  const { open, a, b } = rig({ allowedBackends: 'A' });
  const { texts, events } = await speak(await open(), () => a.fail());
  const last = events.at(-1);
  assert.ok(last?.type === 'session.closed' && last.error?.code === 'BACKEND_ERROR');
  assert.deepEqual([texts, b.writtenSamples], [[], 0]);
});

test('what failed again and again is not tried for a while, then by one session, and serves again when that goes well', async () => {
  const { open, a, clock, dispatcher, failures } = rig();
  for (let count = 0; count < 3; count += 1) await speak(await open(), () => a.fail());
  assert.equal(failures.length, 3);
  assert.deepEqual(dispatcher.status().map(({ id, ready }) => [id, ready]), [['local', false], ['relay', true]]);
  assert.equal((await speak(await open())).texts.length, 1);
  assert.equal(a.snapshot().activeSessions, 0);
  clock.advance(10_000);
  const trial = await open();
  assert.equal(trial.backend, 'A');
  const beside = await open();
  assert.equal(beside.backend, 'B');
  await beside.close('finished');
  await speak(trial);
  assert.deepEqual(dispatcher.status().map(({ ready }) => ready), [true, true]);
  assert.deepEqual(dispatcher.health().map(({ backend, state }) => [backend, state]), [['local', 'closed'], ['relay', 'closed']]);
});

test('where all that is allowed is down, the answer says when to come back', async () => {
  const { open, a, clock, dispatcher } = rig({ allowedBackends: 'A' });
  for (let count = 0; count < 3; count += 1) await speak(await open(), () => a.fail());
  clock.advance(2000);
  await assert.rejects(open(), (error) => error instanceof EarshotError && error.code === 'BACKEND_UNAVAILABLE' && error.retryAfterSeconds === 8);
  assert.deepEqual(dispatcher.status()[0], { id: 'local', letter: 'A', ready: false, reason: 'it failed again and again, and is given a rest' });
});

const STAYS: TenantPolicy = { ...DEFAULT_TENANT_POLICY, residency: 'self_hosted' };

test('a policy that forbids B holds for open sessions too: one at B goes on at A, with every word', async () => {
  const { open, a, b, dispatcher } = rig({ defaultBackend: 'B' });
  const session = await open();
  const { texts, events } = await speak(session, () => {
    dispatcher.policyChanged('another', STAYS);
    assert.equal(session.backend, 'B');
    dispatcher.policyChanged('tenant', STAYS);
    assert.deepEqual([session.backend, a.snapshot().activeSessions], ['A', 1]);
  });
  assert.deepEqual([texts, b.openStreams], [['w0 w1 w2'], 0]);
  assert.deepEqual(events.flatMap((event) => (event.type === 'backend.changed' ? [`${event.from} ${event.to}`] : [])), ['B A']);
  assert.ok(b.writtenSamples <= 16_000, 'nothing that came later');
  assert.deepEqual(dispatcher.health().find(({ backend }) => backend === 'relay')?.failures.size ?? 0, 0, 'B did not fail');
});

test('where A cannot take it, it ends at once', async () => {
  const { open, dispatcher } = rig({ defaultBackend: 'B' });
  const [pinned, stranded] = [await open({ backendPreference: 'prefer_self_hosted' }), await open()];
  dispatcher.policyChanged('tenant', STAYS);
  await stranded.closed;
  const last = (await Array.fromAsync(stranded.events())).at(-1);
  assert.equal(last?.type === 'session.closed' && last.error?.code, 'AUTHZ_PERMISSION_DENIED');
  assert.deepEqual([pinned.backend, pinned.state], ['A', 'open']);
  await pinned.close('finished');
});

test('a session at A is not failed over to what a newer policy forbids', async () => {
  const { open, a, b, dispatcher } = rig();
  const { events } = await speak(await open(), () => {
    dispatcher.policyChanged('tenant', STAYS);
    a.fail();
  });
  const last = events.at(-1);
  assert.deepEqual([last?.type === 'session.closed' && last.error?.code, b.writtenSamples], ['BACKEND_ERROR', 0]);
});

test('a policy that changes while a session is opened holds for it', async () => {
  const { open, b, dispatcher } = rig({ defaultBackend: 'B' });
  const opening = open();
  dispatcher.policyChanged('tenant', STAYS);
  assert.deepEqual([(await opening).backend, b.snapshot().activeSessions], ['A', 0]);
});
