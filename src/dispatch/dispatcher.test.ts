import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../core/clock.ts';
import { EarshotError } from '../core/errors.ts';
import { PERMISSIONS, type Principal } from '../core/principal.ts';
import { Sessions } from '../core/session/sessions.ts';
import type { TenantPolicy } from '../core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from '../core/tenant-policy.ts';
import { backendOf } from '../core/testing/fake-backend.ts';
import { FakeDetectors } from '../core/testing/fake-detector.ts';
import { FakeRecognizer } from '../core/testing/fake-recognizer.ts';
import { Dispatcher } from './dispatcher.ts';

const CALLER: Principal = { tenantId: 'tenant', keyId: 'key', permissions: new Set(PERMISSIONS) };
const LIVE = { transport: 'websocket', priority: 'live' } as const;

function rig(changes?: Partial<TenantPolicy>) {
  const clock = new ManualClock();
  const a = new FakeRecognizer({ maxSessions: 1 });
  const b = new FakeRecognizer({ maxSessions: 1 });
  const sessions = new Sessions({ clock, createId: () => 'ses', createDetector: new FakeDetectors().create, limits: { maxIdleMs: Infinity } });
  const asked: string[] = [];
  const dispatcher = new Dispatcher({
    backends: [backendOf(a, { id: 'local', model: 'ma' }), backendOf(b, { id: 'relay', letter: 'B', model: 'mb' })],
    sessions,
    policies: {
      policy: async (tenantId) => {
        asked.push(tenantId);
        return changes && { ...DEFAULT_TENANT_POLICY, ...changes };
      },
    },
  });
  return { clock, a, b, sessions, dispatcher, asked, open: (wish = {}) => dispatcher.open(CALLER, { ...LIVE, ...wish }) };
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

test('all backends together are ready while one is', async () => {
  const { open, dispatcher, sessions } = rig();
  await open();
  assert.deepEqual(dispatcher.snapshot(), { ready: true, activeSessions: 1, maxSessions: 2, restarts: 0 });
  await open();
  assert.deepEqual(dispatcher.snapshot(), { ready: false, reason: 'every recognizer is taken', activeSessions: 2, maxSessions: 2, restarts: 0 });
  await sessions.drain();
});
