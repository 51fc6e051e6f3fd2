import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionWish } from '../core/admission.ts';
import { ManualClock } from '../core/clock.ts';
import type { EarshotError } from '../core/errors.ts';
import type { Principal, TokenLimits } from '../core/principal.ts';
import type { Session } from '../core/session/session.ts';
import { DEFAULT_TENANT_POLICY } from '../core/tenant-policy.ts';
import { createSessionLimits } from './session-limits.ts';

const WISH: SessionWish = { transport: 'websocket', priority: 'live' };
const caller = (tenantId: string, token?: TokenLimits, keyId = 'key_x'): Principal => ({ tenantId, keyId, permissions: new Set(), ...(token && { token }) });
const limited = { code: 'RATE_LIMITED', retryAfterSeconds: 5 };

function rig(maxConcurrentSessions: number | null, ofKey: Readonly<Record<string, number>> = {}) {
  const clock = new ManualClock();
  const guard = createSessionLimits({ clock, policyOf: async () => ({ ...DEFAULT_TENANT_POLICY, maxConcurrentSessions }), maxSessionsOf: async ({ keyId }) => ofKey[keyId] ?? null });
  return { clock, guard };
}

/** As much of a session as the guard looks at. */
function session() {
  const closed = Promise.withResolvers<void>();
  const failures: string[] = [];
  const fail = async (error: EarshotError): Promise<void> => {
    failures.push(error.code);
    closed.resolve();
  };
  return { failures, close: () => closed.resolve(), open: { closed: closed.promise, fail } as unknown as Session };
}

test('a tenant has as many sessions as its policy allows, and one more when one ends', async () => {
  const { guard } = rig(2);
  const first = session();
  (await guard(caller('acme'), WISH))(first.open);
  (await guard(caller('acme'), WISH))(session().open);
  await assert.rejects(guard(caller('acme'), WISH), limited);
  (await guard(caller('other'), WISH))(session().open);
  first.close();
  await first.open.closed;
  await guard(caller('acme'), WISH);
});

test('a place is given back if something after it refused', async () => {
  const { guard } = rig(1);
  const told = await guard(caller('acme'), WISH);
  await assert.rejects(guard(caller('acme'), WISH), limited);
  told(undefined);
  await guard(caller('acme'), WISH);
});

test('of many who ask at once no more than allowed come in', async () => {
  const { guard } = rig(3);
  const answers = await Promise.allSettled(Array.from({ length: 10 }, () => guard(caller('acme'), WISH)));
  assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 3);
});

test('a token has its own number of sessions, and no place of the tenant is lost when it is refused', async () => {
  const { guard } = rig(2);
  const token = { id: 'tok_1', maxSessions: 1, maxSessionSeconds: null };
  await guard(caller('acme', token), WISH);
  await assert.rejects(guard(caller('acme', token), WISH), limited);
  await guard(caller('acme', { ...token, id: 'tok_2' }), WISH);
  await assert.rejects(guard(caller('acme'), WISH), limited);
});

test('a key has its own number of sessions, its tokens’ among them, and other keys have theirs', async () => {
  const { guard } = rig(4, { key_x: 2 });
  const first = session();
  (await guard(caller('acme'), WISH))(first.open);
  await guard(caller('acme', { id: 'tok_1', maxSessions: null, maxSessionSeconds: null }), WISH);
  await assert.rejects(guard(caller('acme'), WISH), limited);
  await guard(caller('acme', undefined, 'key_y'), WISH);
  first.close();
  await first.open.closed;
  await guard(caller('acme'), WISH);
});

test('a session of a token ends at the token’s longest', async () => {
  const { guard, clock } = rig(null);
  const long = session();
  const short = session();
  for (const { open } of [long, short]) (await guard(caller('acme', { id: 'tok_1', maxSessions: null, maxSessionSeconds: 30 }), WISH))(open);
  short.close();
  await short.open.closed;
  clock.advance(29_999);
  assert.deepEqual(long.failures, []);
  clock.advance(1);
  assert.deepEqual([long.failures, short.failures, clock.pendingTimers], [['SESSION_TOO_LONG'], [], 0]);
});

test('what works for a job is not counted', async () => {
  const { guard } = rig(1);
  const job: SessionWish = { transport: 'job', priority: 'batch' };
  for (let count = 0; count < 5; count += 1) (await guard(caller('acme'), job))(session().open);
  await guard(caller('acme'), WISH);
});
