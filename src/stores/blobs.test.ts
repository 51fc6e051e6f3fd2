import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { afterEach, beforeEach } from 'node:test';
import type { BlobStore } from '../core/store/blobs.ts';
import { openFolderBlobs } from './blobs.ts';

let folder: string;
let blobs: BlobStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earshot-blobs-'));
  blobs = await openFolderBlobs(folder);
});
afterEach(() => rm(folder, { recursive: true }));

async function* chunks(...parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

const content = async (name: string): Promise<string> => Buffer.concat(await Array.fromAsync(blobs.read(name))).toString();

test('what was written is read back, with its length and hash, by nobody but this user', async () => {
  const written = await blobs.write(chunks('four ', 'score', ''), { maxBytes: 10 });
  assert.deepEqual([written.bytes, written.sha256], [10, createHash('sha256').update('four score').digest('hex')]);
  assert.equal(await content(written.name), 'four score');
  assert.equal((await stat(join(folder, written.name))).mode & 0o077, 0);
  assert.deepEqual(await Array.fromAsync(blobs.names()), [written.name]);
});

test('nothing is left of what is a byte too long, breaks off, or is given up', async () => {
  await assert.rejects(blobs.write(chunks('four ', 'score!'), { maxBytes: 10 }), { code: 'AUDIO_TOO_LARGE' });
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('four');
    throw new Error('connection lost');
  };
  await assert.rejects(blobs.write(broken(), { maxBytes: 10 }), /connection lost/);
  const stop = new AbortController();
  const stopped = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('four');
    stop.abort(new Error('given up'));
    yield Buffer.from('score');
  };
  await assert.rejects(blobs.write(stopped(), { maxBytes: 10, signal: stop.signal }), /given up/);
  await assert.rejects(blobs.write(chunks('four'), { maxBytes: 10, signal: stop.signal }), /given up/);
  assert.deepEqual(await readdir(folder), []);
});

test('what was deleted or never written is not found, and a name is never a path', async () => {
  const { name } = await blobs.write(chunks('four'), { maxBytes: 10 });
  await blobs.delete(name);
  await blobs.delete(name);
  await writeFile(join(folder, 'secret'), 'x');
  for (const absent of [name, 'secret', `../${name}`, '', '.']) {
    await assert.rejects(content(absent), { code: 'NOT_FOUND' });
    await blobs.delete(absent);
  }
  assert.deepEqual(await readdir(folder), ['secret']);
});

test('names can be had of what was written before a moment', async () => {
  const old = await blobs.write(chunks('four'), { maxBytes: 10 });
  await blobs.write(chunks('score'), { maxBytes: 10 });
  await utimes(join(folder, old.name), 1000, 1000);
  assert.deepEqual(await Array.fromAsync(blobs.names({ writtenBeforeMs: 1_000_001 })), [old.name]);
  assert.deepEqual(await Array.fromAsync(blobs.names({ writtenBeforeMs: 1_000_000 })), []);
});

test('a start sweeps what a crash left unfinished, and only that', async () => {
  const { name } = await blobs.write(chunks('four'), { maxBytes: 10 });
  await writeFile(join(folder, `${name}.part`), 'fo');
  await openFolderBlobs(folder);
  assert.deepEqual(await readdir(folder), [name]);
});
