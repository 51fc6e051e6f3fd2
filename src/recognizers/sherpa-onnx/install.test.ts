import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { EarshotError } from '../../core/errors.ts';
import { unpack } from './archive.ts';
import { installModel } from './install.ts';
import { ModelStore } from './model-store.ts';
import { nemoCtc, streamingZipformerCtc, writeModel } from './testing/tiny-models.ts';

const NAME = 'sherpa-onnx-nemo-fast-conformer-ctc-en-24500';

function temporary(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-install-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An archive of a model's folder, made by the program of the trade. */
function archive(context: TestContext, kind: 'tar.bz2' | 'tar.gz' | 'tar', files = nemoCtc(), name = NAME): string {
  const folder = temporary(context);
  writeModel(join(folder, name), files);
  const path = join(folder, `${name}.${kind}`);
  execFileSync('tar', [{ 'tar.bz2': '-cjf', 'tar.gz': '-czf', tar: '-cf' }[kind], path, '-C', folder, name]);
  return path;
}

/** Serves a file over loopback; `respond` may do otherwise, and says so. */
async function served(context: TestContext, bytes: Buffer, respond?: (request: IncomingMessage, response: ServerResponse) => boolean): Promise<{ readonly url: string; readonly ranges: (string | undefined)[] }> {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    if (respond?.(request, response)) return;
    const from = request.headers['if-range'] === ETAG ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
    if (from >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${String(bytes.length)}` }).end();
      return;
    }
    const headers = { etag: ETAG, 'content-length': bytes.length - from };
    if (from > 0) response.writeHead(206, { ...headers, 'content-range': `bytes ${String(from)}-${String(bytes.length - 1)}/${String(bytes.length)}` });
    else response.writeHead(200, headers);
    response.end(bytes.subarray(from));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/models/${NAME}.tar.bz2`, ranges };
}

const ETAG = '"one"';
const storeIn = (context: TestContext): ModelStore => new ModelStore(join(temporary(context), 'models'));
const left = (store: ModelStore): string[] => (existsSync(store.folder) ? readdirSync(store.folder) : []);
const withCode = (code: string) => (error: unknown) => error instanceof EarshotError && error.code === code;

for (const kind of ['tar.bz2', 'tar.gz', 'tar'] as const) {
  test(`a model in a .${kind} is unpacked, loaded once, and then there`, async (context) => {
    const store = storeIn(context);
    const steps: string[] = [];
    const installed = await installModel(store, archive(context, kind), { onStep: (step) => steps.push(step) });
    assert.deepEqual([installed.name, installed.model?.family, steps], [NAME, 'nemo-ctc', ['unpacking', 'probing']]);
    assert.deepEqual(left(store), [NAME]);
    assert.deepEqual((await store.list()).map(({ name, model }) => [name, model?.family]), [[NAME, 'nemo-ctc']]);
    assert.ok(installed.probe.loadMs > 0 && (installed.probe.realTimeFactor ?? 0) > 0);
  });
}

test('a model in a .zip likewise, its files at the top', async (context) => {
  const store = storeIn(context);
  const folder = temporary(context);
  writeModel(join(folder, NAME), nemoCtc());
  const path = join(folder, `${NAME}.zip`);
  writeFileSync(path, zipOf(Object.fromEntries(Object.entries(nemoCtc()).map(([name, content]) => [name, Buffer.from(content)]))));
  assert.equal((await installModel(store, path)).name, NAME);
});

test('under a name of its own a model stays what its published name told', async (context) => {
  const store = storeIn(context);
  const { name, model } = await installModel(store, archive(context, 'tar.gz'), { name: 'ours' });
  assert.deepEqual([name, model?.family, model?.languages], ['ours', 'nemo-ctc', ['en']]);
  await assert.rejects(installModel(store, archive(context, 'tar.gz'), { name: 'ours' }), withCode('SLUG_CONFLICT'));
  await store.remove('ours');
  assert.deepEqual(left(store), []);
  await assert.rejects(store.remove('ours'), withCode('MODEL_NOT_FOUND'));
  await assert.rejects(store.remove('../models'), withCode('MODEL_NOT_FOUND'));
});

test('from an address, with progress and checksum', async (context) => {
  const store = storeIn(context);
  const bytes = readFileSync(archive(context, 'tar.bz2'));
  const { url } = await served(context, bytes);
  const progress: (number | undefined)[][] = [];
  const sha256 = createHash('sha256').update(bytes).digest('hex').toUpperCase();
  await installModel(store, url, { sha256, onProgress: (...told) => progress.push(told) });
  assert.deepEqual([left(store), progress.at(-1)], [[NAME], [bytes.length, bytes.length]]);
});

test('a checksum that differs leaves nothing', async (context) => {
  const store = storeIn(context);
  const { url } = await served(context, readFileSync(archive(context, 'tar.bz2')));
  await assert.rejects(installModel(store, url, { sha256: '0'.repeat(64) }), withCode('VALIDATION_ERROR'));
  assert.deepEqual(left(store), []);
});

test('a download that breaks off is gone on with', async (context) => {
  const store = storeIn(context);
  const bytes = readFileSync(archive(context, 'tar.bz2'));
  let requests = 0;
  let arrived: (() => void) | undefined;
  const { url, ranges } = await served(context, bytes, (_, response) => {
    requests += 1;
    if (requests > 1) return false;
    response.writeHead(200, { etag: ETAG, 'content-length': bytes.length });
    response.write(bytes.subarray(0, 400));
    arrived = () => response.destroy();
    return true;
  });
  await installModel(store, url, { onProgress: () => arrived?.() });
  assert.deepEqual([ranges, left(store)], [[undefined, 'bytes=400-'], [NAME]]);
});

test('what an earlier call left is gone on with, also after a kill', async (context) => {
  const store = storeIn(context);
  const bytes = readFileSync(archive(context, 'tar.bz2'));
  const { url, ranges } = await served(context, bytes, (request, response) => {
    if (request.headers.range !== undefined) return false;
    response.writeHead(200, { etag: ETAG, 'content-length': bytes.length });
    response.write(bytes.subarray(0, 500));
    return true;
  });
  const script = `import { installModel } from ${JSON.stringify(join(import.meta.dirname, 'install.ts'))};
    import { ModelStore } from ${JSON.stringify(join(import.meta.dirname, 'model-store.ts'))};
    await installModel(new ModelStore(${JSON.stringify(store.folder)}), ${JSON.stringify(url)}, { onProgress: () => process.kill(process.pid, 'SIGKILL') });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'ignore' });
  assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL']);
  assert.deepEqual(await store.list(), [], 'no half model is there');
  await installModel(store, url, { sha256: createHash('sha256').update(bytes).digest('hex') });
  assert.deepEqual([ranges, left(store)], [[undefined, 'bytes=500-'], [NAME]]);
});

test('a file that changed in between is fetched anew', async (context) => {
  const store = storeIn(context);
  const bytes = readFileSync(archive(context, 'tar.bz2'));
  let requests = 0;
  let arrived: (() => void) | undefined;
  const { url } = await served(context, bytes, (_, response) => {
    requests += 1;
    if (requests > 1) return false;
    response.writeHead(200, { etag: '"another"', 'content-length': bytes.length });
    response.write(Buffer.alloc(300));
    arrived = () => response.destroy();
    return true;
  });
  await installModel(store, url, { onProgress: () => arrived?.() });
  assert.deepEqual(left(store), [NAME]);
});

test('what is not to be had is told at once', async (context) => {
  const store = storeIn(context);
  const { url, ranges } = await served(context, Buffer.alloc(0), (_, response) => {
    response.writeHead(404).end();
    return true;
  });
  await assert.rejects(installModel(store, url), withCode('URL_NOT_FOUND'));
  assert.equal(ranges.length, 1);
  await assert.rejects(installModel(store, 'http://'), withCode('URL_NOT_ALLOWED'));
  await assert.rejects(installModel(store, '/nowhere/model.tar'), withCode('VALIDATION_ERROR'));
});

test('a model that cannot be loaded is not installed', async (context) => {
  const store = storeIn(context);
  const broken = { ...nemoCtc(), 'model.onnx': Buffer.from('no model') };
  await assert.rejects(installModel(store, archive(context, 'tar.gz', broken)), withCode('MODEL_UNAVAILABLE'));
  await assert.rejects(installModel(store, archive(context, 'tar.gz', { 'readme.txt': 'hello' })), withCode('MODEL_UNAVAILABLE'));
  // A model of one kind under the name of another.
  await assert.rejects(installModel(store, archive(context, 'tar.gz', nemoCtc(), 'sherpa-onnx-streaming-zipformer-ctc')), withCode('MODEL_UNAVAILABLE'));
  assert.deepEqual(left(store), []);
});

/** Archives that would write elsewhere, or are cut. */
test('no path leads out of the folder, and links are left out', async (context) => {
  const folder = temporary(context);
  const place = join(folder, 'in', 'side');
  for (const path of ['../../evil', '/tmp/earshot-evil', 'a/../../../evil', 'a\\..\\evil', '..']) {
    for (const bytes of [tarOf({ [path]: 'evil' }), zipOf({ [path]: Buffer.from('evil') })]) {
      writeFileSync(join(folder, 'archive'), bytes);
      await assert.rejects(unpack(join(folder, 'archive'), place), withCode('VALIDATION_ERROR'), path);
    }
  }
  assert.deepEqual(readdirSync(folder), ['archive']);
  execFileSync('ln', ['-s', '/etc/passwd', join(folder, 'link')]);
  writeFileSync(join(folder, 'file'), 'x');
  execFileSync('tar', ['-cf', join(folder, 'archive'), '-C', folder, 'link', 'file']);
  await unpack(join(folder, 'archive'), place);
  assert.deepEqual(readdirSync(place), ['file']);
});

test('long names are kept, in all the ways that tar has for them', async (context) => {
  const folder = temporary(context);
  const name = `${'long/'.repeat(30)}${'name'.repeat(20)}`;
  writeModel(join(folder, 'm'), { [name]: 'x' });
  for (const format of ['gnu', 'pax', 'ustar']) {
    const path = join(folder, `${format}.tar`);
    execFileSync('tar', ['-c', `--format=${format}`, '-f', path, '-C', join(folder, 'm'), '.']);
    const place = join(folder, format);
    await unpack(path, place).catch((error: unknown) => assert.fail(`${format}: ${String(error)}`));
    assert.equal(readFileSync(join(place, name), 'utf8'), 'x');
  }
});

test('limits are kept', async (context) => {
  const folder = temporary(context);
  const path = join(folder, 'archive');
  writeFileSync(path, gzipSync(tarOf({ a: 'x'.repeat(1000), b: 'y' })));
  await unpack(path, join(folder, 'fits'), { maxBytes: 1001, maxFiles: 2 });
  await assert.rejects(unpack(path, join(folder, 'bytes'), { maxBytes: 1000 }), withCode('VALIDATION_ERROR'));
  await assert.rejects(unpack(path, join(folder, 'files'), { maxFiles: 1 }), withCode('VALIDATION_ERROR'));
  writeFileSync(path, tarOf({ a: 'x', './a': 'y' }));
  await assert.rejects(unpack(path, join(folder, 'twice')), withCode('VALIDATION_ERROR'));
});

test('whatever is broken in an archive, only our own code comes of it', async (context) => {
  const folder = temporary(context);
  const path = join(folder, 'archive');
  const tar = readFileSync(archive(context, 'tar', streamingZipformerCtc()));
  const bz2 = readFileSync(archive(context, 'tar.bz2'));
  const zip = zipOf({ a: Buffer.from('some text '.repeat(50)), 'b/c': Buffer.from('more') });
  const damage = fc.record({ of: fc.constantFrom(tar, gzipSync(tar), bz2, zip), cut: fc.double({ min: 0, max: 1, noNaN: true }), at: fc.double({ min: 0, max: 0.999, noNaN: true }), byte: fc.nat(255) });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(damage, async ({ of, cut, at, byte }) => {
      const bytes = Buffer.from(of.subarray(0, cut > 0.5 ? of.length : Math.floor(of.length * cut * 2)));
      if (bytes.length > 0) bytes[Math.floor(bytes.length * at)] = byte;
      writeFileSync(path, bytes);
      runs += 1;
      await unpack(path, join(folder, `run${String(runs)}`)).catch((error: unknown) => {
        if (!withCode('VALIDATION_ERROR')(error)) throw error;
      });
    }),
    { numRuns: 150 },
  );
  assert.ok(readdirSync(dirname(folder)).includes(basename(folder)));
});

/** A tar archive of files with any names. */
function tarOf(files: Readonly<Record<string, string>>): Buffer {
  const blocks = Object.entries(files).flatMap(([name, content]) => {
    const header = Buffer.alloc(512);
    header.write(name, 0, 'latin1');
    header.write('0000644\0', 100, 'latin1');
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
    header.write('        0ustar\0' + '00', 148, 'latin1');
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
    body.write(content, 'latin1');
    return [header, body];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** A ZIP archive of files with any names, not compressed. */
function zipOf(files: Readonly<Record<string, Buffer>>): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const local = Buffer.alloc(30 + name.length);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt32LE(content.length, 18);
    local.writeUInt32LE(content.length, 22);
    local.writeUInt16LE(name.length, 26);
    local.write(name, 30, 'latin1');
    const entry = Buffer.alloc(46 + name.length);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt32LE(content.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    entry.write(name, 46, 'latin1');
    locals.push(local, content);
    directory.push(entry);
    offset += local.length + content.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, entries, end]);
}
