import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SignJWT, UnsecuredJWT } from 'jose';
import type { NewKey } from './api-keys.ts';
import { OPERATOR, OPERATOR_KEY, startTenancy } from './testing/tenancy.ts';
import { looksLikeToken, type NewToken } from './tokens.ts';

const keyWish: NewKey = { name: 'app', permissions: ['scaiecho:transcribe', 'scaiecho:enroll', 'scaiecho:admin'], expiresAtMs: null, budget: null };
const wish: NewToken = { permissions: ['scaiecho:transcribe'], ttlSeconds: 600, maxSessions: 2, maxSessionSeconds: 30 };
const invalid = { code: 'AUTH_TOKEN_INVALID' };

async function rig(overKey: Partial<NewKey> = {}) {
  const tenancy = await startTenancy();
  const { record } = await tenancy.keys.create(OPERATOR, 'acme', { ...keyWish, ...overKey });
  return { ...tenancy, record, minted: await tenancy.tokens.mint(record, wish) };
}

test('a token is its key with fewer permissions, and its own limits', async () => {
  const { access, record, minted } = await rig();
  assert.ok(looksLikeToken(minted.token));
  const { permissions, ...caller } = await access.authenticate({ secret: minted.token });
  assert.deepEqual([...permissions], ['scaiecho:transcribe']);
  assert.deepEqual(caller, { tenantId: 'acme', keyId: record.id, token: { id: minted.id, maxSessions: 2, maxSessionSeconds: 30 } });
});

test('a token ends at its time, or at its key’s', async () => {
  const { access, minted, clock, tokens, keys } = await rig();
  clock.advance(599_000);
  await access.authenticate({ secret: minted.token });
  clock.advance(1000);
  await assert.rejects(access.authenticate({ secret: minted.token }), { code: 'SESSION_EXPIRED' });
  const expiresAtMs = Date.UTC(2026, 10, 21) + 700_000;
  const { record } = await keys.create(OPERATOR, 'acme', { ...keyWish, expiresAtMs });
  assert.equal((await tokens.mint(record, wish)).expiresAtMs, expiresAtMs);
});

test('a token ends with its key', async () => {
  const { access, keys, record, minted } = await rig();
  await access.authenticate({ secret: minted.token });
  await keys.revoke(OPERATOR, 'acme', record.id);
  await assert.rejects(access.authenticate({ secret: minted.token }), invalid);
});

test('a token of the operator’s key acts for no other tenant, and ends when the key is replaced', async () => {
  const { tokens, keys, access } = await startTenancy();
  const { token } = await tokens.mint(keys.operator, wish);
  assert.equal((await access.authenticate({ secret: token })).operator, undefined);
  const replaced = await startTenancy({ operatorSecret: `${OPERATOR_KEY}2` });
  await assert.rejects(replaced.access.authenticate({ secret: token }), invalid);
});

test('a key gives no permission that it has not', async () => {
  const { tokens, record } = await rig();
  await assert.rejects(tokens.mint(record, { ...wish, permissions: ['scaiecho:diarize'] }), { code: 'AUTHZ_PERMISSION_DENIED' });
});

test('a token of others is none: unsigned, signed with something else, for another key, changed', async () => {
  const { access, keys, minted, record } = await rig();
  const other = await keys.create(OPERATOR, 'acme', keyWish);
  const claims = { scope: 'scaiecho:admin', jti: 'tok_x', iss: 'earshot', exp: 4_000_000_000 };
  const [head = '', body = '', signature = ''] = minted.token.split('.');
  const forOther = Buffer.from(Buffer.from(head, 'base64url').toString().replace(record.id, other.record.id)).toString('base64url');
  const admin = Buffer.from(Buffer.from(body, 'base64url').toString().replace('scaiecho:transcribe', 'scaiecho:admin')).toString('base64url');
  const forged = [
    new UnsecuredJWT(claims).encode(),
    await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: `acme/${record.id}` }).sign(new Uint8Array(32)),
    await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32)),
    `${forOther}.${body}.${signature}`,
    `${head}.${admin}.${signature}`,
    `${head}.${body}.`,
  ];
  for (const secret of forged) await assert.rejects(access.authenticate({ secret }), invalid, secret);
});

test('nothing that looks like a token is more than invalid', async () => {
  const { access } = await rig();
  const part = fc.oneof(fc.base64String(), fc.json().map((json) => Buffer.from(json).toString('base64url')));
  await fc.assert(
    fc.asyncProperty(part, part, part, (a, b, c) => assert.rejects(access.authenticate({ secret: `eyJ${a}.${b}.${c}` }), invalid)),
  );
});
