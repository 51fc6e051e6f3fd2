import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Principal } from '../core/principal.ts';
import type { NewKey } from './api-keys.ts';
import { OPERATOR, startTenancy } from './testing/tenancy.ts';

const wish: NewKey = { name: 'app', permissions: ['scaiecho:transcribe'], expiresAtMs: null, budget: null };
const PAGE = { limit: 10 };

test('a key works as soon as it is made, and its secret is kept nowhere', async () => {
  const { keys, store } = await startTenancy();
  const { record, secret } = await keys.create(OPERATOR, 'acme', wish);
  assert.match(secret, /^sgk_[\w-]{32}$/);
  assert.equal((await keys.bySecret(secret)).id, record.id);
  assert.ok(!JSON.stringify(await store.keys.list('acme')).includes(secret));
  assert.deepEqual((await keys.list('acme')).map(({ id }) => id), [record.id]);
  assert.deepEqual(await keys.list('default'), []);
});

test('a revoked key ends at once on this node', async () => {
  const { keys } = await startTenancy();
  const { record, secret } = await keys.create(OPERATOR, 'acme', wish);
  await keys.bySecret(secret);
  await keys.revoke(OPERATOR, 'acme', record.id);
  await assert.rejects(keys.bySecret(secret), { code: 'AUTH_TOKEN_INVALID' });
  await assert.rejects(keys.byId('acme', record.id), { code: 'AUTH_TOKEN_INVALID' });
});

test('a key that another process revokes ends within seconds', async () => {
  const { keys, store, clock } = await startTenancy();
  const { record, secret } = await keys.create(OPERATOR, 'acme', wish);
  await keys.bySecret(secret);
  await store.keys.revoke('acme', record.id, 1);
  clock.advance(2000);
  await assert.rejects(keys.bySecret(secret), { code: 'AUTH_TOKEN_INVALID' });
});

test('a key past its time says so, from that moment on', async () => {
  const { keys, clock } = await startTenancy();
  const { secret } = await keys.create(OPERATOR, 'acme', { ...wish, expiresAtMs: Date.UTC(2026, 10, 21) + 60_000 });
  clock.advance(59_999);
  await keys.bySecret(secret);
  clock.advance(1);
  await assert.rejects(keys.bySecret(secret), { code: 'SESSION_EXPIRED' });
  assert.equal(clock.nowMs(), 60_000);
});

test('nobody gives what they have not, and nobody revokes what is another’s', async () => {
  const { keys } = await startTenancy();
  const admin: Principal = { tenantId: 'acme', keyId: 'key_a', permissions: new Set(['scaiecho:admin']) };
  await assert.rejects(keys.create(admin, 'acme', wish), { code: 'AUTHZ_PERMISSION_DENIED' });
  const { record } = await keys.create(OPERATOR, 'other', wish);
  await assert.rejects(keys.revoke(admin, 'acme', record.id), { code: 'NOT_FOUND' });
  assert.equal((await keys.byId('other', record.id)).revokedAtMs, null);
});

test('who made and revoked a key is written down, without its secret', async () => {
  const { keys, store } = await startTenancy();
  const { record, secret } = await keys.create(OPERATOR, 'acme', wish);
  await keys.revoke(OPERATOR, 'acme', record.id);
  const { items } = await store.audit.list('acme', PAGE);
  assert.deepEqual(items.map(({ action, subject, keyId }) => [action, subject, keyId]), [
    ['key.revoke', record.id, 'key_default'],
    ['key.create', record.id, 'key_default'],
  ]);
  assert.ok(!JSON.stringify(items).includes(secret));
});
