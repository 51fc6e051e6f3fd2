import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { keptApiKey } from './operator-key.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-key-'));
after(() => rmSync(folder, { recursive: true }));

test('the key is made once, for its owner alone, and kept', () => {
  const dataDir = join(folder, 'deep', 'data');
  const first = keptApiKey(dataDir);
  assert.match(first.apiKey, /^sgk_[\w-]{32}$/);
  assert.equal(statSync(first.path).mode & 0o777, 0o600);
  assert.deepEqual(keptApiKey(dataDir), first);
  assert.deepEqual(readdirSync(dirname(first.path)), ['api-key']);
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
