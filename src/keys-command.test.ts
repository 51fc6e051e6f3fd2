import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from './config/config.ts';
import { keysCommand } from './keys-command.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'earshot-keys-'));
after(() => rmSync(dataDir, { recursive: true }));
const keys = (...args: string[]) => keysCommand(args, loadConfig({ EARSHOT_DATA: dataDir }));

test('a key is made, listed and revoked in the data folder', async () => {
  const [secret = '', told = ''] = await keys('create', 'app', '--permissions', 'scaiecho:transcribe,scaiecho:enroll', '--expires', '2100-01-31', '--max-sessions', '3');
  assert.match(secret, /^sgk_[\w-]{32}$/);
  const id = /^key_\S+/.exec(told)?.[0] ?? '';
  assert.deepEqual(await keys('list'), [`${id}  app  scaiecho:transcribe,scaiecho:enroll  at most 3 sessions  until 2100-01-31`]);
  assert.match((await keys('revoke', id))[0] ?? '', /revoked/);
  assert.match((await keys('list'))[0] ?? '', /revoked \d{4}-\d\d-\d\d$/);
  assert.ok(!readFileSync(join(dataDir, 'earshot.sqlite')).includes(secret));
});

test('tenants are apart', async () => {
  await keys('create', 'theirs', '--tenant', 'acme');
  assert.equal((await keys('list', '--tenant', 'acme')).length, 1);
  assert.deepEqual(await keys('list', '--tenant', 'other'), []);
  await assert.rejects(keys('revoke', 'key_none', '--tenant', 'acme'), { code: 'NOT_FOUND' });
});

test('a wrong call says what is wrong', async () => {
  for (const args of [[], ['create'], ['revoke'], ['list', 'x'], ['make', 'x'], ['create', 'x', 'y'], ['create', 'x', '--permissions', 'root'], ['create', 'x', '--expires', 'soon'], ['create', 'x', '--max-sessions', '0'], ['list', '--tenant', 'A B'], ['list', '--nothing']]) {
    await assert.rejects(keys(...args), { code: 'VALIDATION_ERROR' }, args.join(' '));
  }
});
