import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { after } from 'node:test';
import type { ApiKeyRecord } from '../core/store/keys.ts';
import { openSqliteStore } from './sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-sqlite-'));
after(() => {
  rmSync(folder, { recursive: true });
});

const KEY: ApiKeyRecord = {
  id: 'key_1',
  tenantId: 't1',
  name: 'laptop',
  secretHash: 'ab'.repeat(32),
  permissions: ['scaiecho:transcribe'],
  createdAtMs: 1,
  expiresAtMs: null,
  revokedAtMs: null,
  budget: { seconds: 60, period: 'day' },
  maxSessions: 3,
};

function change(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

test('what was written is there when the file is opened again', async () => {
  const path = join(folder, 'again.sqlite');
  const store = await openSqliteStore(path);
  await store.keys.add(KEY);
  await store.close();
  await store.close();
  const again = await openSqliteStore(path);
  assert.deepEqual(await again.keys.get('t1', 'key_1'), KEY);
  await again.close();
});

test('two processes may have it open: each sees what the other wrote', async () => {
  const path = join(folder, 'two.sqlite');
  const [one, two] = [await openSqliteStore(path), await openSqliteStore(path)];
  await one.keys.add(KEY);
  assert.deepEqual(await two.keys.bySecretHash(KEY.secretHash), KEY);
  assert.equal(await two.keys.revoke('t1', 'key_1', 5), true);
  assert.equal((await one.keys.get('t1', 'key_1'))?.revokedAtMs, 5);
  await one.close();
  await two.close();
});

test('a file of a newer version, of another program, or of no database at all is left as it is', async () => {
  const newer = join(folder, 'newer.sqlite');
  await (await openSqliteStore(newer)).close();
  change(newer, 'PRAGMA user_version = 99');
  await assert.rejects(openSqliteStore(newer), { code: 'STORE_UNAVAILABLE', message: /newer Earshot \(schema 99, this one knows \d+\)/ });

  const foreign = join(folder, 'foreign.sqlite');
  change(foreign, 'CREATE TABLE theirs (a); PRAGMA user_version = 1');
  await assert.rejects(openSqliteStore(foreign), { code: 'STORE_UNAVAILABLE', message: /another program/ });
  change(foreign, 'SELECT a FROM theirs');

  const text = join(folder, 'text.sqlite');
  writeFileSync(text, 'not a database, but long enough to be looked at as if it were one. '.repeat(20));
  await assert.rejects(openSqliteStore(text), { code: 'STORE_UNAVAILABLE', message: /is not a database/ });
  await assert.rejects(openSqliteStore(join(folder, 'nowhere', 'x.sqlite')), { code: 'STORE_UNAVAILABLE', message: /cannot be opened/ });
});

test('an erased voice is nowhere in the files, and its consent cannot be changed', async () => {
  const path = join(folder, 'erased.sqlite');
  const store = await openSqliteStore(path);
  const consent = { id: 'cns_1', userFullName: 'A', statedPurpose: 'p', text: 't', recordingSha256: '00', recordedAtMs: 1 };
  const speaker = { id: 'spk_1', tenantId: 't1', displayName: 'A', languagePrimary: 'en', description: null, status: 'pending', failureReason: null, consent, referenceBlob: 'r', consentBlob: 'c', createdAtMs: 1, expiresAtMs: null, erasedAtMs: null } as const;
  await store.speakers.add(speaker);
  const sealed = Buffer.from('this is the voice of A');
  await store.speakers.settle('t1', 'spk_1', { print: { engine: 'e', sealed } });
  const files = async (): Promise<Buffer> => Buffer.concat(await Promise.all([readFile(path), readFile(`${path}-wal`)]));
  assert.ok((await files()).includes(sealed));
  await store.speakers.erase('t1', 'spk_1', 2);
  assert.ok(!(await files()).includes(sealed));
  await store.close();
  for (const sql of ["UPDATE consents SET text = 'x'", 'DELETE FROM consents', 'DELETE FROM speakers; DELETE FROM consents']) assert.throws(() => change(path, sql), /consents are/);
});
