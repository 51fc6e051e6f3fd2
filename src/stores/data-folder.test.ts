import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { afterEach, beforeEach } from 'node:test';
import { openDataFolder, openStoreIn } from './data-folder.ts';

let parent: string;
let folder: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'earshot-data-'));
  folder = join(parent, 'data');
});
afterEach(() => rm(parent, { recursive: true }));

test('one server has the folder at a time, and the command line beside it', async () => {
  const data = await openDataFolder(folder);
  await assert.rejects(openDataFolder(folder), { code: 'STORE_UNAVAILABLE', message: /Another Earshot server uses the data folder .*EARSHOT_DATA=/ });
  const beside = await openStoreIn(folder);
  await beside.tenants.putSecret('t1', 'relay', Buffer.from('x'));
  await beside.close();
  assert.deepEqual(await data.store.tenants.secretNames('t1'), ['relay']);
  await Promise.all([data.close(), data.close()]);
  await (await openDataFolder(folder)).close();
});

test('a folder that cannot be had, and a damaged database, say so and free the lock', async () => {
  await writeFile(join(parent, 'file'), '');
  await assert.rejects(openDataFolder(join(parent, 'file', 'data')), { code: 'STORE_UNAVAILABLE', message: /cannot be written .*EARSHOT_DATA=/ });
  await (await openDataFolder(folder)).close();
  await writeFile(join(folder, 'earshot.sqlite'), 'overwritten by something else. '.repeat(1000));
  await assert.rejects(openDataFolder(folder), { code: 'STORE_UNAVAILABLE', message: /is not a database/ });
  await rm(join(folder, 'earshot.sqlite'));
  await (await openDataFolder(folder)).close();
});

test('a folder that may only be read is refused', { skip: process.getuid?.() === 0 && 'root may write everywhere' }, async () => {
  await (await openDataFolder(folder)).close();
  await rm(join(folder, 'server.lock'));
  await chmod(folder, 0o500);
  try {
    await assert.rejects(openDataFolder(folder), { code: 'STORE_UNAVAILABLE', message: /cannot be written/ });
    assert.ok(!(await readdir(folder)).includes('server.lock'));
  } finally {
    await chmod(folder, 0o700);
  }
});
