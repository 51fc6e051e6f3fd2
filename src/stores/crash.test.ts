import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { describe } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openDataFolder } from './data-folder.ts';

/** Two folders at a time, each with so many servers one after the other. */
const KILLS = 75;
/** A worker is killed at latest after so many lines: five rounds of work. And some time after a line, to meet every moment of what follows. */
const MAX_LINES = 25;
const MAX_PAUSE_MS = 4;
const WORKER = join(import.meta.dirname, 'testing', 'crash-worker.ts');

/** Runs a worker, kills it some time after it said so many lines, and answers all that it said. */
async function killed(folder: string, run: string, lines: number): Promise<string[]> {
  const worker = spawn(process.execPath, [WORKER, folder, run], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let faults = '';
  const spoken = Promise.withResolvers<void>();
  worker.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (said.split('\n').length > lines + 1) spoken.resolve();
  });
  worker.stderr.setEncoding('utf8').on('data', (text: string) => (faults += text));
  const ended = new Promise((resolve) => worker.once('close', resolve));
  await Promise.race([spoken.promise, ended]);
  await pause(Math.random() * MAX_PAUSE_MS);
  worker.kill('SIGKILL');
  await ended;
  assert.equal(faults, '');
  assert.match(said, /^open\n/);
  return said.trim().split('\n').slice(1);
}

/** Everything that was acknowledged is there, and nothing is there by half. */
async function examine(folder: string, said: readonly string[]): Promise<void> {
  const told = (what: string): string[][] => said.map((line) => line.split(' ')).filter(([first]) => first === what).map(([, ...rest]) => rest);
  const data = await openDataFolder(folder);
  const { store, blobs } = data;
  for (const [name = '', id = ''] of told('blob')) {
    assert.equal(Buffer.concat(await Array.fromAsync(blobs.read(name))).toString(), id.repeat(400));
  }
  for (const [id = ''] of told('added')) assert.ok(await store.jobs.get('t1', id), id);
  for (const [id = ''] of told('completed')) {
    assert.equal((await store.jobs.get('t1', id))?.status, 'completed', id);
    assert.equal((await store.transcripts.get('t1', id))?.transcript.utterances[0]?.text, `said in ${id}`);
  }
  const orphans = new Map((await store.live.orphans(10_000)).map((orphan) => [orphan.job.id, orphan.utterances.map(({ text }) => text)]));
  const ended = new Set(told('ended').map(([id = '']) => id));
  for (const id of ended) assert.equal((await store.jobs.get('t1', id))?.status, 'failed', id);
  for (const [id = '', text = ''] of told('heard')) {
    // Its job may have been added a moment before the end, too late to be said.
    assert.equal(orphans.get(id)?.includes(text) ?? (await store.jobs.get('t1', id)) !== undefined, true, `${text} of ${id}`);
    if (ended.has(id)) assert.equal(orphans.has(id), false, id);
  }
  await data.close();
  assert.ok((await readdir(join(folder, 'blobs'))).every((name) => !name.endsWith('.part')));

  const database = new DatabaseSync(join(folder, 'earshot.sqlite'));
  const column = (sql: string): unknown[] => database.prepare(sql).all().map((row) => Object.values(row)[0]);
  assert.deepEqual(column('PRAGMA integrity_check'), ['ok']);
  assert.deepEqual(column('PRAGMA foreign_key_check'), []);
  const used = new Set(column('SELECT id FROM usage'));
  for (const [id = ''] of [...told('used'), ...told('completed')]) assert.ok(used.has(id), id);
  const noted = new Set(column('SELECT id FROM usageNotes'));
  for (const [id = ''] of told('noted')) assert.ok(used.has(id) !== noted.has(id), id);
  const audited = new Set(column('SELECT subject FROM audit'));
  for (const [id = ''] of told('audited')) assert.ok(audited.has(id), id);
  const completed = column("SELECT id FROM jobs WHERE status = 'completed' ORDER BY id");
  for (const sql of ['SELECT jobId FROM transcripts ORDER BY 1', 'SELECT jobId FROM transcriptWordsOf ORDER BY 1', 'SELECT jobId FROM callbacks ORDER BY 1', "SELECT id FROM usage WHERE id LIKE 'job%' ORDER BY 1"]) {
    assert.deepEqual(column(sql), completed, sql);
  }
  assert.deepEqual(column("SELECT samples FROM spent WHERE owner = 'tenant' AND period = '2026-11'"), column('SELECT sum(heardSamples) FROM usage'));
  assert.deepEqual(column('SELECT id FROM reservations WHERE id IN (SELECT id FROM usage)'), []);
  database.close();
}

describe('killed a hundred times', { concurrency: true }, () => {
  for (const name of ['one', 'another']) {
    test(`${name} data folder loses nothing that was acknowledged and has nothing by half`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'earshot-crash-'));
      try {
        const said: string[] = [];
        for (let kill = 0; kill < KILLS; kill += 1) {
          said.push(...(await killed(folder, `${name}${String(kill)}`, Math.floor(Math.random() * MAX_LINES))));
          if (kill % 10 === 9) await examine(folder, said);
        }
        assert.ok(said.filter((line) => line.startsWith('completed')).length > KILLS, 'the workers got something done');
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }
});
