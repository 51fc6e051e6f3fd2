import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Access, isLoopbackHost, keptApiKey, type Credentials } from './access.ts';

const KEY = 'sgk_0123456789abcdef';
const open = new Access({ apiKey: KEY, loopbackOnly: false });
const local = new Access({ apiKey: KEY, loopbackOnly: true });
const folder = mkdtempSync(join(tmpdir(), 'earshot-access-'));
after(() => rmSync(folder, { recursive: true }));

async function letsIn(access: Access, credentials: Credentials): Promise<void> {
  assert.equal((await access.authenticate(credentials)).tenantId, 'default');
}

async function refuses(access: Access, credentials: Credentials, code: string): Promise<void> {
  await assert.rejects(access.authenticate(credentials), { code });
}

test('the key lets in, from wherever', async () => {
  for (const access of [open, local]) {
    await letsIn(access, { secret: KEY, host: 'earshot.example' });
    await letsIn(access, { secret: KEY, origin: 'https://elsewhere.example' });
  }
});

test('a wrong key is refused, on loopback too', async () => {
  for (const access of [open, local]) {
    for (const secret of ['wrong', `${KEY}x`, KEY.slice(1), '']) await refuses(access, { secret, host: 'localhost' }, 'AUTH_TOKEN_INVALID');
  }
});

test('without a key a server that others can reach lets nobody in', async () => {
  for (const host of ['localhost', '127.0.0.1:8080', 'earshot.example', undefined]) await refuses(open, { host }, 'AUTH_TOKEN_MISSING');
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

test('an empty key opens nothing', async () => {
  await refuses(new Access({ apiKey: '', loopbackOnly: false }), { secret: '' }, 'AUTH_TOKEN_INVALID');
});

test('the key is made once, for its owner alone, and kept', () => {
  const dataDir = join(folder, 'deep', 'data');
  const first = keptApiKey(dataDir);
  assert.match(first.apiKey, /^sgk_[\w-]{32}$/);
  assert.equal(statSync(first.path).mode & 0o777, 0o600);
  assert.deepEqual(keptApiKey(dataDir), first);
  assert.notEqual(keptApiKey(join(folder, 'other')).apiKey, first.apiKey);
});

test('a key file that a crash left empty is no key', () => {
  const { path } = keptApiKey(join(folder, 'crashed'));
  writeFileSync(path, '\n');
  const { apiKey } = keptApiKey(join(folder, 'crashed'));
  assert.match(apiKey, /^sgk_/);
  assert.equal(readFileSync(path, 'utf8').trim(), apiKey);
});

test('a key that cannot be read is an error, not a new key', () => {
  mkdirSync(join(folder, 'odd', 'api-key'), { recursive: true });
  assert.throws(() => keptApiKey(join(folder, 'odd')), { code: 'EISDIR' });
});

test('loopback is known by its names', () => {
  for (const host of ['localhost', '::1', '127.0.0.1', '127.9.9.9']) assert.equal(isLoopbackHost(host), true, host);
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'localhost.example', '127.0.0.1.example']) assert.equal(isLoopbackHost(host), false, host);
});
