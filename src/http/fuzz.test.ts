import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { bytesOf } from '../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../core/testing/audio.ts';
import { ERRORS } from '../core/errors.ts';
import { eventually } from '../core/testing/eventually.ts';
import { deleteOrphanBlobs } from '../jobs/orphan-blobs.ts';
import type { OpenApiDocument } from './openapi.ts';
import { BASE, KEY, startServer } from './testing/server.ts';

const RUNS_PER_ROUTE = 25;

const server = await startServer({ maxInlineBytes: 40_000, maxUploadBytes: 200_000, maxSessions: 50, maxQueuedJobs: 1000 });
after(() => server.close());
const AUDIO = Buffer.from(bytesOf(joined(quiet(200), loud(600), quiet(200))));

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** A connection of its own, so that what a broken body leaves in one hits no other request. */
function send({ method, path, headers = {}, body }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${server.url}${path}`, { method, agent: false, headers: { authorization: `Bearer ${KEY}`, ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }), ...headers } }, (answer) => {
      text(answer).then((said) => {
        resolve({ status: answer.statusCode ?? 0, type: answer.headers['content-type'] ?? '', body: said });
      }, reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Never a fault of the server; and what is refused is refused in our own words. */
function assertOwn(answer: Answer, sent: Sent): void {
  const about = `${sent.method} ${sent.path} answered ${String(answer.status)} ${answer.body.slice(0, 500)}`;
  if (answer.status < 400) return;
  if (sent.path.endsWith('/readyz') && answer.status === 503) return;
  assert.match(answer.type, /json/, about);
  const body = JSON.parse(answer.body) as { readonly error: { readonly code: string } };
  assert.doesNotMatch(answer.body, /"code":"(FST_|ERR_)/, `the framework's own words: ${about}`);
  // Other protocols have words of their own.
  if (sent.path.startsWith(BASE)) {
    const rule = (ERRORS as Readonly<Record<string, { readonly httpStatus: number } | undefined>>)[body.error.code];
    assert.ok(rule?.httpStatus === answer.status && body.error.code !== 'INTERNAL', about);
  }
  assert.ok(answer.status < 500 || answer.status === 503, about);
}

// ---- what is sent

const junk = fc.oneof(
  fc.string({ maxLength: 40, unit: 'binary' }),
  fc.constantFrom('', ' ', '0', '-1', '1e9', '1.5', 'NaN', 'true', 'null', 'en', 'xx', 'default', 'day', 'csv', 'srt', '__proto__', 'constructor', '../../etc/passwd', '%00', '\u0000', '🙂', 'a'.repeat(5000), '2026-13-45', 'job_live1', "' OR 1=1 --", 'http://127.0.0.1:1/x', 'file:///etc/passwd'),
);
const scalar = fc.oneof(junk, fc.integer(), fc.double(), fc.boolean(), fc.constant(null));
const tree = fc.oneof(scalar, fc.array(scalar, { maxLength: 4 }), fc.dictionary(junk, scalar, { maxKeys: 4 }), fc.jsonValue({ maxDepth: 3 }));

type Operation = Readonly<Record<string, unknown>> & {
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
};

/** Every name that a schema knows, at whatever depth. */
function namesIn(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { properties } = schema as { readonly properties?: object };
  return [...Object.keys(properties ?? {}), ...Object.values(schema).flatMap(namesIn)];
}

function query(names: readonly string[]): fc.Arbitrary<string> {
  const name = names.length > 0 ? fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: junk }) : junk;
  const pairs = fc.array(fc.tuple(name, junk), { maxLength: 4 }).map((list) => list.map(([key, value]) => `${encodeURIComponent(key.toWellFormed())}=${encodeURIComponent(value.toWellFormed())}`).join('&'));
  return fc.oneof({ weight: 4, arbitrary: pairs }, { weight: 1, arbitrary: fc.string({ maxLength: 30 }).map((raw) => raw.replaceAll(/[^\x21-\x7e]|#/g, '%')) });
}

function jsonBody(names: readonly string[]): fc.Arbitrary<Pick<Sent, 'headers' | 'body'>> {
  const known = names.length > 0 ? fc.dictionary(fc.constantFrom(...names), tree, { maxKeys: 6 }) : tree;
  const written = fc.oneof({ weight: 3, arbitrary: known.map((value) => JSON.stringify(value)) }, { weight: 1, arbitrary: tree.map((value) => JSON.stringify(value)) }, { weight: 1, arbitrary: fc.string() }, { weight: 1, arbitrary: fc.constantFrom('', '{', '[[[[', '{"__proto__":{"a":1}}', '{"constructor":{"prototype":1}}', '"x'.repeat(100_000)) });
  const type = fc.constantFrom('application/json', 'application/json; charset=utf-8', 'application/json; charset=x', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'nothing');
  return fc.tuple(written, type).map(([body, contentType]) => ({ body, headers: { 'content-type': contentType } }));
}

/** A form as text and bytes, whole or damaged: cut off, a byte changed, another boundary, no file name, a header of nonsense. */
function formBody(names: readonly string[]): fc.Arbitrary<Pick<Sent, 'headers' | 'body'>> {
  const name = fc.oneof({ weight: 5, arbitrary: fc.constantFrom('file', ...names) }, { weight: 1, arbitrary: junk.map((each) => each.replaceAll(/["\r\n]/g, '')) });
  const isFile = fc.boolean();
  const content = fc.oneof(fc.constant(AUDIO), fc.constant(Buffer.alloc(60_000)), fc.constant(Buffer.alloc(0)), fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)), junk.map((value) => Buffer.from(value)));
  const part = fc.tuple(name, isFile, content, fc.constantFrom('', 'Content-Type: audio/wav\r\n', 'Content-Type: \u0001\r\n', 'X: y\r\n'));
  const parts = fc.array(part, { maxLength: 5 });
  const damage = fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 2, arbitrary: fc.record({ cut: fc.double({ min: 0, max: 1, noNaN: true }), at: fc.nat(), value: fc.nat(255) }) });
  return fc.tuple(parts, damage, fc.constantFrom('limit', 'limit', 'limit', 'other', '')).map(([list, harm, boundary]) => {
    const pieces = list.flatMap(([field, file, bytes, extra]) => [
      Buffer.from(`--limit\r\nContent-Disposition: form-data; name="${field}"${file ? '; filename="a"' : ''}\r\n${extra}\r\n`),
      bytes,
      Buffer.from('\r\n'),
    ]);
    let body = Buffer.concat([...pieces, Buffer.from('--limit--\r\n')]);
    if (harm !== undefined) {
      body = Buffer.from(body.subarray(0, Math.ceil(body.length * harm.cut)));
      if (body.length > 0) body[harm.at % body.length] = harm.value;
    }
    return { body, headers: { 'content-type': boundary === '' ? 'multipart/form-data' : `multipart/form-data; boundary=${boundary}` } };
  });
}

function requestsTo(method: string, path: string, operation: Operation): fc.Arbitrary<Sent> {
  const parameters = operation.parameters ?? [];
  const filled = fc.array(junk, { minLength: 3, maxLength: 3 }).map((values) => {
    let index = 0;
    return path.replaceAll(/\{\w+\}/g, () => encodeURIComponent((values[index++] ?? 'x').toWellFormed()) || 'x');
  });
  const [content] = Object.entries(operation.requestBody?.content ?? {});
  const type = content?.[0] ?? '';
  const names = [...new Set(namesIn(content?.[1].schema))];
  const nothing = fc.constant({});
  const usual = type === '' ? nothing : type.startsWith('multipart') ? formBody(names) : jsonBody(names);
  const body = ['get', 'head'].includes(method) ? nothing : fc.oneof({ weight: 4, arbitrary: usual }, { weight: 1, arbitrary: fc.oneof(jsonBody(names), formBody(names)) });
  const queryNames = parameters.filter((each) => each.in === 'query').map((each) => each.name);
  return fc.tuple(filled, fc.oneof(fc.constant(''), query(queryNames)), body).map(([filledPath, asked, rest]) => ({ method: method.toUpperCase(), path: asked === '' ? filledPath : `${filledPath}?${asked}`, ...rest }));
}

/** Uploads that were taken: they wait for a job until they are swept. */
let uploads = 0;

/** A session that waits for its offer would wait for ever on a clock that stands still. */
async function undo(answer: Answer, sent: Sent): Promise<void> {
  if (answer.status === 200 && /^\/v2\/upload\b/.test(sent.path)) uploads += 1;
  if (answer.status !== 201 || !sent.path.startsWith(`${BASE}/webrtc/sessions`)) return;
  const { data } = JSON.parse(answer.body) as { readonly data: { readonly session_id: string } };
  await send({ method: 'DELETE', path: `${BASE}/webrtc/sessions/${data.session_id}` });
}

const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as OpenApiDocument;
const before = await readdir(tmpdir());

for (const [path, operations] of Object.entries(document.paths)) {
  for (const [method, operation] of Object.entries(operations) as [string, Operation][]) {
    // Asked in plain HTTP, a WebSocket's route is refused like any other.
    test(`${method.toUpperCase()} ${path} answers whatever comes with its own codes`, async () => {
      await fc.assert(
        fc.asyncProperty(requestsTo(method, path, operation), async (sent) => {
          const answer = await send(sent);
          assertOwn(answer, sent);
          await undo(answer, sent);
        }),
        { numRuns: RUNS_PER_ROUTE },
      );
    });
  }
}

test('after all of that nothing is left and nothing was a fault', async () => {
  // Sessions that wait for somebody give up in their time.
  server.clock.advance(24 * 3600_000);
  await eventually(async () => (await server.store.jobs.countQueued()) === 0);
  await eventually(() => server.sessions.size === 0 && server.engine.peerCount === 0 && server.recognizer.openStreams === 0);
  const files = async (): Promise<number> => (await Array.fromAsync(server.blobs.names())).length;
  await eventually(async () => (await files()) === uploads);
  await deleteOrphanBlobs({ jobs: server.store.jobs, blobs: server.blobs, keepAudio: true, now: () => Date.now() + 2 * 3600_000 });
  assert.equal(await files(), 0);
  await eventually(async () => (await new Promise<number>((resolve) => server.app.server.getConnections((_error, count) => { resolve(count); }))) <= 1);
  assert.deepEqual(server.logged.filter((line) => line.startsWith('error')), []);
  const left = (await readdir(tmpdir())).filter((name) => !before.includes(name) && name.startsWith('earshot-') && !name.startsWith('earshot-page'));
  assert.ok(left.every((name) => !/fuzz|upload|mp4/.test(name)), String(left));
});
