import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { OPERATOR } from '../../tenancy/testing/tenancy.ts';
import { BASE, KEY, startServer, type ErrorAnswer } from '../testing/server.ts';

const server = await startServer({ maxSessions: 20 });
after(() => server.close());

interface Answer<T> {
  readonly status: number;
  readonly data: T;
  readonly code: string | undefined;
  readonly fields: readonly string[];
}

async function ask<T = unknown>(method: string, path: string, body?: unknown, secret: string = KEY, url = server.url): Promise<Answer<T>> {
  const answer = await fetch(`${url}${BASE}/${path}`, {
    method,
    headers: { authorization: `Bearer ${secret}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const { data, error } = (answer.status === 204 ? {} : await answer.json()) as { data?: T } & Partial<ErrorAnswer>;
  return { status: answer.status, data: data as T, code: error?.code, fields: error?.details?.map(({ field }) => field) ?? [] };
}

interface Key {
  readonly id: string;
  readonly key: string;
  readonly tenant_id: string;
  readonly permissions: string[];
  readonly revoked_at: string | null;
}

interface Token {
  readonly id: string;
  readonly token: string;
  readonly permissions: string[];
  readonly expires_at: string;
}

test('a key is made, shown once, listed without its secret, used and revoked', async () => {
  const made = await ask<Key>('POST', 'keys', { name: 'app', permissions: ['scaiecho:transcribe'], expires_at: '2100-01-01T00:00:00Z', budget: { seconds: 3600, period: 'day' }, max_sessions: 1 });
  assert.equal(made.status, 201);
  const { key, ...rest } = made.data;
  assert.deepEqual((await ask<Key[]>('GET', 'keys')).data, [rest]);
  assert.equal((await ask('POST', 'webrtc/sessions', {}, key)).status, 201);
  assert.equal((await ask('POST', 'webrtc/sessions', {}, key)).code, 'RATE_LIMITED');
  assert.equal((await ask('GET', 'keys', undefined, key)).code, 'AUTH_INSUFFICIENT_SCOPE');
  assert.equal((await ask('DELETE', `keys/${rest.id}`)).status, 204);
  assert.equal((await ask('POST', 'webrtc/sessions', {}, key)).code, 'AUTH_TOKEN_INVALID');
  assert.notEqual((await ask<Key[]>('GET', 'keys')).data[0]?.revoked_at, null);
});

test('only the operator acts for other tenants', async () => {
  const made = await ask<Key>('POST', 'keys?tenant_id=acme', { name: 'admin', permissions: ['scaiecho:admin', 'scaiecho:transcribe'] });
  assert.equal(made.data.tenant_id, 'acme');
  const admin = made.data.key;
  assert.deepEqual((await ask<Key[]>('GET', 'keys', undefined, admin)).data.map(({ id }) => id), [made.data.id]);
  assert.equal((await ask('GET', 'keys?tenant_id=acme', undefined, admin)).status, 200);
  for (const [method, path, body] of [
    ['GET', 'keys', undefined],
    ['POST', 'keys', { name: 'x' }],
    ['DELETE', 'keys/x', undefined],
    ['GET', 'tenant-policy', undefined],
    ['PUT', 'tenant-policy', {}],
    ['PATCH', 'tenant-policy', {}],
    ['GET', 'tenant-secrets', undefined],
    ['PUT', 'tenant-secrets/x', { value: 'x' }],
    ['DELETE', 'tenant-secrets/x', undefined],
  ] as const) {
    assert.equal((await ask(method, `${path}?tenant_id=default`, body, admin)).code, 'AUTHZ_PERMISSION_DENIED', path);
    assert.notEqual((await ask(method, `${path}?tenant_id=acme`, body, KEY)).code, 'AUTHZ_PERMISSION_DENIED', path);
  }
  assert.equal((await ask('POST', 'keys', { name: 'x', permissions: ['scaiecho:enroll'] }, admin)).code, 'AUTHZ_PERMISSION_DENIED');
  assert.deepEqual((await ask('GET', 'keys?tenant_id=No%20Name')).fields, ['tenant_id']);
});

test('a key that cannot be is named', async () => {
  for (const [body, field] of [
    [{}, 'name'],
    [{ name: ' ' }, 'name'],
    [{ name: 'x', permissions: [] }, 'permissions'],
    [{ name: 'x', permissions: ['root'] }, 'permissions.0'],
    [{ name: 'x', expires_at: 'tomorrow' }, 'expires_at'],
    [{ name: 'x', budget: { seconds: 0, period: 'day' } }, 'budget.seconds'],
    [{ name: 'x', max_sessions: 0 }, 'max_sessions'],
    [{ name: 'x', budjet: null }, 'body'],
  ] as const) {
    assert.deepEqual((await ask('POST', 'keys', body)).fields, [field], JSON.stringify(body));
  }
});

test('a token is made from a key, used on a WebSocket, and makes no tokens', async () => {
  const made = await ask<Token>('POST', 'tokens');
  assert.equal(made.status, 201);
  assert.deepEqual(made.data.permissions, ['scaiecho:transcribe']);
  assert.ok(Math.abs(Date.parse(made.data.expires_at) - Date.now() - 600_000) < 60_000);
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}${BASE}/stream/transcribe?token=${made.data.token}`, { headers: { host: 'earshot.example' } });
  await once(socket, 'open');
  socket.close();
  assert.equal((await ask('POST', 'tokens', {}, made.data.token)).code, 'AUTHZ_PERMISSION_DENIED');
  const keyless = await fetch(`${server.url}${BASE}/tokens`, { method: 'POST' });
  assert.equal(((await keyless.json()) as ErrorAnswer).error.code, 'AUTHZ_PERMISSION_DENIED');
  for (const body of [{ permissions: ['scaiecho:admin'] }, { ttl_seconds: 24 * 3600 + 1 }, { ttl_seconds: 0 }, { max_sessions: 0 }]) assert.equal((await ask('POST', 'tokens', body)).code, 'VALIDATION_ERROR');
  assert.equal((await ask('POST', 'tokens', { ttl_seconds: 24 * 3600 })).status, 201);
});

test('a token has its own number of sessions and their longest', async () => {
  const own = await startServer({ maxSessions: 20 });
  const { data } = await ask<Token>('POST', 'tokens', { max_sessions: 1, max_session_seconds: 5 }, KEY, own.url);
  const open = () => ask<{ session_id: string }>('POST', 'webrtc/sessions', {}, data.token, own.url);
  const first = await open();
  assert.equal(first.status, 201);
  assert.equal((await open()).code, 'RATE_LIMITED');
  own.clock.advance(5000);
  assert.equal((await ask('GET', `webrtc/sessions/${first.data.session_id}/stats`, undefined, KEY, own.url)).status, 200);
  assert.equal((await ask('DELETE', `webrtc/sessions/${first.data.session_id}`, undefined, KEY, own.url)).code, 'NOT_FOUND');
  assert.equal((await open()).status, 201);
  await own.close();
});

test('the policy is there before it was ever written; it is replaced, changed, and told who did', async () => {
  const first = { allowed_backends: 'AB', default_backend: 'A', residency: 'any', max_concurrent_sessions: null, max_session_seconds: null, budget: null };
  assert.deepEqual((await ask('GET', 'tenant-policy?tenant_id=p')).data, first);
  const replaced = { ...first, allowed_backends: 'A', residency: 'self_hosted', budget: { seconds: 100, period: 'month' } };
  assert.deepEqual((await ask('PUT', 'tenant-policy?tenant_id=p', { allowed_backends: 'A', residency: 'self_hosted', budget: { seconds: 100, period: 'month' } })).data, replaced);
  assert.deepEqual((await ask('PATCH', 'tenant-policy?tenant_id=p', { max_concurrent_sessions: 2 })).data, { ...replaced, max_concurrent_sessions: 2 });
  assert.deepEqual((await ask('GET', 'tenant-policy?tenant_id=p')).data, { ...replaced, max_concurrent_sessions: 2 });
  assert.deepEqual((await ask('PUT', 'tenant-policy?tenant_id=p', {})).data, first);
  // The first of the letters is the default where none is named.
  assert.deepEqual((await ask('PUT', 'tenant-policy?tenant_id=p', { allowed_backends: 'BA' })).data, { ...first, allowed_backends: 'BA', default_backend: 'B' });
  const { items } = await server.store.audit.list('p', { limit: 10 });
  assert.deepEqual(items.map(({ action, keyId }) => [action, keyId]), Array.from({ length: 4 }, () => ['policy.update', OPERATOR.keyId]));
});

test('a policy that contradicts itself, or has a field that is none, is refused and changes nothing', async () => {
  for (const [body, field] of [
    [{ allowed_backends: 'B' }, 'default_backend'],
    [{ allowed_backends: 'B', default_backend: 'B', residency: 'self_hosted' }, 'residency'],
    [{ allowed_backends: 'C' }, 'allowed_backends'],
    [{ max_concurrent_session: 1 }, 'body'],
    [{ max_concurrent_sessions: 0 }, 'max_concurrent_sessions'],
    [{ budget: { seconds: 1 } }, 'budget.period'],
  ] as const) {
    const { code, fields } = await ask('PATCH', 'tenant-policy?tenant_id=q', body);
    assert.deepEqual([code, fields], ['VALIDATION_ERROR', [field]]);
  }
  assert.equal(await server.store.tenants.policy('q'), undefined);
});

test('a tenant with as many sessions as its policy allows waits for one to end', async () => {
  await ask('PATCH', 'tenant-policy?tenant_id=r', { max_concurrent_sessions: 1 });
  const { secret } = await server.tenancy.keys.create(OPERATOR, 'r', { name: 'r', permissions: ['scaiecho:transcribe'], expiresAtMs: null, budget: null });
  const first = await ask<{ session_id: string }>('POST', 'webrtc/sessions', {}, secret);
  const second = await fetch(`${server.url}${BASE}/webrtc/sessions`, { method: 'POST', headers: { authorization: `Bearer ${secret}` } });
  assert.deepEqual([second.status, second.headers.get('retry-after')], [429, '5']);
  await ask('DELETE', `webrtc/sessions/${first.data.session_id}`, undefined, secret);
  assert.equal((await ask('POST', 'webrtc/sessions', {}, secret)).status, 201);
});

test('a secret is entrusted, named and removed, and never shown', async () => {
  assert.equal((await ask('PUT', 'tenant-secrets/deepgram?tenant_id=s', { value: 'very secret' })).status, 204);
  assert.deepEqual((await ask('GET', 'tenant-secrets?tenant_id=s')).data, ['deepgram']);
  assert.equal(await server.tenancy.secrets.read('s', 'deepgram'), 'very secret');
  assert.equal(await server.tenancy.secrets.read('default', 'deepgram'), undefined);
  const sealed = (await server.store.tenants.secret('s', 'deepgram')) ?? new Uint8Array();
  assert.ok(sealed.length > 11 && !Buffer.from(sealed).includes('very secret'));
  assert.equal((await ask('DELETE', 'tenant-secrets/deepgram?tenant_id=s')).status, 204);
  assert.equal((await ask('DELETE', 'tenant-secrets/deepgram?tenant_id=s')).code, 'NOT_FOUND');
  assert.deepEqual((await ask('PUT', 'tenant-secrets/No?tenant_id=s', { value: 'x' })).fields, ['name']);
});

test('speakers are told apart only for who may', async () => {
  const { secret } = await server.tenancy.keys.create(OPERATOR, 'd', { name: 'd', permissions: ['scaiecho:transcribe'], expiresAtMs: null, budget: null });
  assert.equal((await ask('POST', 'webrtc/sessions', { diarize: true }, secret)).code, 'AUTH_INSUFFICIENT_SCOPE');
});

test('requests over the rate are told when to come back, on a WebSocket too', async () => {
  const own = await startServer({ requestsPerMinute: 1, failedLoginsPerMinute: 1 });
  const headers = { authorization: `Bearer ${KEY}` };
  assert.equal((await fetch(`${own.url}/metrics`, { headers })).status, 200);
  const second = await fetch(`${own.url}/metrics`, { headers });
  assert.deepEqual([second.status, second.headers.get('retry-after')], [429, '60']);
  const socket = new WebSocket(`${own.url.replace('http', 'ws')}${BASE}/stream/transcribe`, { headers });
  const [, refusal] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number; headers: Record<string, string>; resume: () => void }];
  refusal.resume();
  assert.deepEqual([refusal.statusCode, refusal.headers['retry-after']], [429, '60']);
  own.clock.advance(60_000);
  assert.equal((await fetch(`${own.url}/metrics`, { headers: { authorization: 'Bearer wrong' } })).status, 401);
  const guessed = await fetch(`${own.url}/metrics`, { headers: { authorization: 'Bearer wrong' } });
  assert.deepEqual([guessed.status, guessed.headers.get('retry-after')], [429, '60']);
  await own.close();
});
