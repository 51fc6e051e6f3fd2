import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { bytesOf } from '../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../core/testing/audio.ts';
import { eventually } from '../core/testing/eventually.ts';
import { BASE, KEY, startServer, type ErrorAnswer } from './testing/server.ts';

const TENANTS = 200;
const PLACES = 40;
const KINDS = ['websocket', 'http', 'job'] as const;
const BITS = 10;
const WORD_MS = 500;

const server = await startServer({ maxSessions: PLACES, maxQueuedJobs: 5 });
after(() => server.close());

type Kind = (typeof KINDS)[number];

/** Audio that nobody else sends, and the words that will come of it: the first, and one for every bit of a number. */
function speechOf(tenant: number, kind: Kind): { readonly audio: Uint8Array<ArrayBuffer>; readonly samples: number; readonly text: string } {
  const number = tenant * KINDS.length + KINDS.indexOf(kind);
  const said = [true, ...Array.from({ length: BITS }, (_, bit) => (number & (1 << bit)) !== 0)];
  // Nobody's is as long as a neighbour's, to the sample.
  const samples = joined(...said.map((isLoud) => (isLoud ? loud(WORD_MS) : quiet(WORD_MS))), quiet(800), new Int16Array(number % 97));
  return { audio: Uint8Array.from(bytesOf(samples)), samples: samples.length, text: said.flatMap((isLoud, slot) => (isLoud ? `w${String(slot)}` : [])).join(' ') };
}

interface Tenant {
  readonly number: number;
  readonly key: string;
}

/** Asks as a tenant; where the house is full, comes back as told (in hundredths of the time). */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the wire has no types: the caller says what it expects
async function ask<T>(key: string, path: string, init: RequestInit = {}): Promise<{ readonly status: number; readonly data: T; readonly code: string | undefined }> {
  for (;;) {
    const answer = await fetch(`${server.url}${BASE}/${path}`, { ...init, headers: { authorization: `Bearer ${key}`, ...(init.headers as Record<string, string> | undefined) } });
    const text = await answer.text();
    const { data, error } = (text === '' ? {} : JSON.parse(text)) as { readonly data: T; readonly error?: ErrorAnswer['error'] };
    if (error?.code !== 'CAPACITY_EXCEEDED') return { status: answer.status, data, code: error?.code };
    assert.equal(answer.headers.get('retry-after'), String(error.retry_after));
    await pause((error.retry_after ?? assert.fail()) * 10);
  }
}

async function createTenant(number: number): Promise<Tenant> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: 'app', permissions: ['scaiecho:transcribe', 'scaiecho:admin'] }) };
  const { data } = await ask<{ key: string }>(KEY, `keys?tenant_id=tenant-${String(number)}`, init);
  return { number, key: data.key };
}

async function streamed({ number, key }: Tenant): Promise<string> {
  const { audio } = speechOf(number, 'websocket');
  for (;;) {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}${BASE}/stream/transcribe?token=${key}`);
    const frames: Record<string, unknown>[] = [];
    socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Record<string, unknown>));
    const closed = once(socket, 'close');
    await once(socket, 'open');
    socket.send('{"type":"open","media_type":"audio/pcm"}');
    for (let from = 0; from < audio.length; from += 16_000) socket.send(audio.subarray(from, from + 16_000));
    socket.send('{"type":"close"}');
    const [code] = (await closed) as [number];
    if (code === 1000) return frames.filter((frame) => frame['is_final'] === true).map((frame) => frame['text']).join(' ');
    const error = frames.at(-1);
    assert.deepEqual([code, error?.['code']], [1013, 'CAPACITY_EXCEEDED']);
    await pause(Number(error?.['retry_after']) * 10);
  }
}

interface Job {
  readonly job_id: string;
  readonly status: string;
  readonly transcript: string;
}

async function uploaded({ number, key }: Tenant, kind: 'http' | 'job'): Promise<Job> {
  const body = new FormData();
  body.set('file', new Blob([speechOf(number, kind).audio]), 'a.pcm');
  if (kind === 'job') body.set('force_async', 'true');
  const { status, data, code } = await ask<Job>(key, 'transcribe', { method: 'POST', body });
  assert.deepEqual([status, code], [kind === 'job' ? 202 : 200, undefined]);
  return data;
}

interface Usage {
  readonly usage: readonly { readonly transport: string; readonly calls: number; readonly heard_samples: number; readonly audio_bytes: number }[];
}

test('two hundred tenants stream, upload and queue at the same time: each gets its own words, and is counted to the sample', async () => {
  const tenants: Tenant[] = [];
  for (let number = 0; number < TENANTS; number += 1) tenants.push(await createTenant(number));
  const own = await Promise.all(
    tenants.map(async (tenant) => {
      const { number, key } = tenant;
      const [text, file, { job_id: id }] = await Promise.all([streamed(tenant), uploaded(tenant, 'http'), uploaded(tenant, 'job')]);
      assert.equal(text, speechOf(number, 'websocket').text);
      assert.equal(file.transcript, speechOf(number, 'http').text);
      return { ...tenant, key, jobId: id };
    }),
  );
  await eventually(async () => (await server.store.jobs.countQueued()) === 0 && server.sessions.size === 0);
  await server.recorder.settled();

  for (const { number, key } of own) {
    const { jobs } = (await ask<{ jobs: readonly Job[] }>(key, 'transcribe/jobs?limit=100')).data;
    const texts = await Promise.all(jobs.map(async ({ job_id: id }) => (await ask<Job>(key, `transcribe/jobs/${id}`)).data.transcript));
    assert.deepEqual(texts.toSorted(), KINDS.map((kind) => speechOf(number, kind).text).toSorted());
    const found = (await ask<{ results: readonly { job_id: string }[] }>(key, 'transcribe/search?q=w0')).data.results;
    assert.deepEqual(found.map((each) => each.job_id).toSorted(), jobs.map((each) => each.job_id).toSorted());
    const others = own[(number + 1) % TENANTS] ?? assert.fail();
    for (const [method, path] of [['GET', ''], ['DELETE', ''], ['POST', '/cancel'], ['GET', '/transcript']] as const) {
      assert.deepEqual(await ask(key, `transcribe/jobs/${others.jobId}${path}`, { method }).then(({ status, code }) => [status, code]), [404, 'NOT_FOUND']);
    }
    const { usage } = (await ask<Usage>(key, 'usage?group_by=transport')).data;
    const counted = usage.map(({ transport, calls, heard_samples: samples, audio_bytes: bytes }) => ({ transport, calls, samples, bytes }));
    const expected = KINDS.map((kind) => ({ transport: kind, calls: 1, samples: speechOf(number, kind).samples, bytes: speechOf(number, kind).audio.length }));
    assert.deepEqual(counted.toSorted((a, b) => a.transport.localeCompare(b.transport)), expected.toSorted((a, b) => a.transport.localeCompare(b.transport)));
  }
  assert.deepEqual([server.recognizer.openStreams, server.recognizer.snapshot().activeSessions], [0, 0]);
  assert.deepEqual(server.logged.filter((line) => line.startsWith('error')), []);
});
