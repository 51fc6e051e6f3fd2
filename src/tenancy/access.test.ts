import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Access, type Credentials, isLoopbackHost } from './access.ts';
import { OPERATOR, OPERATOR_KEY as KEY, startTenancy } from './testing/tenancy.ts';

const { access: closed } = await startTenancy({ keyless: 'nobody' });
const { access: local } = await startTenancy();

async function letsIn(access: Access, credentials: Credentials): Promise<void> {
  assert.equal((await access.authenticate(credentials)).tenantId, 'default');
}

async function refuses(access: Access, credentials: Credentials, code: string): Promise<void> {
  await assert.rejects(access.authenticate(credentials), { code });
}

test('the operator’s key lets in, from wherever', async () => {
  for (const access of [closed, local]) {
    await letsIn(access, { secret: KEY, host: 'earshot.example' });
    await letsIn(access, { secret: KEY, origin: 'https://elsewhere.example' });
    assert.deepEqual(await access.authenticate({ secret: KEY }), OPERATOR);
  }
});

test('a wrong key is refused, on loopback too', async () => {
  for (const access of [closed, local]) {
    for (const secret of ['wrong', `${KEY}x`, KEY.slice(1), '', 'eyJ.a.b', 'a.b.c']) await refuses(access, { secret, host: 'localhost' }, 'AUTH_TOKEN_INVALID');
  }
});

test('without a key a server that others can reach lets nobody in', async () => {
  for (const host of ['localhost', '127.0.0.1:8080', 'earshot.example', undefined]) await refuses(closed, { host }, 'AUTH_TOKEN_MISSING');
});

test('without a key a loopback server lets in who asks it by a loopback name, from no page or its own', async () => {
  for (const host of ['localhost', 'localhost:8080', 'LOCALHOST:8080', '127.0.0.1:8080', '[::1]:8080', '[::1]']) {
    await letsIn(local, { host });
    await letsIn(local, { host, origin: `http://${host}` });
    await letsIn(local, { host, origin: `https://${host}` });
  }
});

test('without a key a foreign page is kept out, and so is a name that was pointed at loopback', async () => {
  await refuses(local, { host: 'evil.example:8080' }, 'AUTH_TOKEN_MISSING');
  await refuses(local, { host: 'localhost.evil.example' }, 'AUTH_TOKEN_MISSING');
  await refuses(local, {}, 'AUTH_TOKEN_MISSING');
  for (const origin of ['http://evil.example', 'null', '', 'http://localhost:3000', 'http://127.0.0.1:8080', 'file://localhost:8080', 'http://localhost:8080.evil.example']) {
    await refuses(local, { host: 'localhost:8080', origin }, 'AUTH_TOKEN_MISSING');
  }
});

test('a server opened to everybody lets them transcribe, and administer nothing', async () => {
  const { access } = await startTenancy({ keyless: 'everybody' });
  const { permissions, operator } = await access.authenticate({ host: 'earshot.example', origin: 'https://elsewhere.example' });
  assert.deepEqual([[...permissions], operator], [['scaiecho:transcribe', 'scaiecho:diarize'], undefined]);
  await refuses(access, { secret: 'wrong' }, 'AUTH_TOKEN_INVALID');
});

test('an empty key opens nothing', async () => {
  const { access } = await startTenancy({ operatorSecret: '' });
  await refuses(access, { secret: '' }, 'AUTH_TOKEN_INVALID');
});

test('a key’s requests are limited, and only its own', async () => {
  const { access, keys, clock } = await startTenancy({ requestsPerMinute: 2 });
  const { secret } = await keys.create(OPERATOR, 'default', { name: 'x', permissions: ['scaiecho:transcribe'], expiresAtMs: null, budget: null });
  await access.authenticate({ secret });
  await access.authenticate({ secret });
  await assert.rejects(access.authenticate({ secret }), { code: 'RATE_LIMITED', retryAfterSeconds: 30 });
  await letsIn(access, { secret: KEY });
  clock.advance(30_000);
  await access.authenticate({ secret });
});

test('who guesses keys waits, with a right one too, and others do not', async () => {
  const { access, clock } = await startTenancy({ failedLoginsPerMinute: 2 });
  const guesser = { address: '2001:db8::1' };
  await refuses(access, { ...guesser, secret: 'wrong' }, 'AUTH_TOKEN_INVALID');
  await refuses(access, { address: '2001:db8:0:0:9::2', secret: 'eyJ.wrong.token' }, 'AUTH_TOKEN_INVALID');
  await assert.rejects(access.authenticate({ ...guesser, secret: KEY }), { code: 'RATE_LIMITED', retryAfterSeconds: 30 });
  for (const address of ['2001:db8:1::1', '192.0.2.1', '::ffff:192.0.2.1', undefined]) await letsIn(access, { address, secret: KEY });
  clock.advance(30_000);
  await letsIn(access, { ...guesser, secret: KEY });
});

test('an IPv4 address is the same in its IPv6 clothes', async () => {
  const { access } = await startTenancy({ failedLoginsPerMinute: 1 });
  await refuses(access, { address: '::ffff:192.0.2.1', secret: 'wrong' }, 'AUTH_TOKEN_INVALID');
  await refuses(access, { address: '192.0.2.1', secret: KEY }, 'RATE_LIMITED');
});

test('loopback is known by its names', () => {
  for (const host of ['localhost', '::1', '127.0.0.1', '127.9.9.9']) assert.equal(isLoopbackHost(host), true, host);
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'localhost.example', '127.0.0.1.example']) assert.equal(isLoopbackHost(host), false, host);
});
