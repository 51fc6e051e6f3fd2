import assert from 'node:assert/strict';
import { once } from 'node:events';
import test, { after, before } from 'node:test';
import { WebSocket } from 'ws';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { BASE, KEY, startServer, type ErrorAnswer, type TestServer } from '../testing/server.ts';

const HEADERS = { authorization: `Bearer ${KEY}` };
const AT_MS = Date.UTC(2026, 10, 21, 10);
const RECORD = { tenantId: 'default', keyId: 'key_1', transport: 'websocket', backend: 'A', jobId: null, atMs: AT_MS, durationMs: 1500, audioBytes: 100, heardSamples: 24_001, speechSamples: 16_000 } as const;

let server: TestServer;
let tenantId: string;

before(async () => {
  server = await startServer();
  tenantId = 'default';
  const { usage, audit } = server.store;
  await usage.record({ ...RECORD, id: '1', tenantId });
  await usage.record({ ...RECORD, id: '2', tenantId, keyId: 'a "key", that', audioBytes: null, atMs: AT_MS + 24 * 3600_000 });
  await usage.record({ ...RECORD, id: '3', tenantId: 'another' });
  for (const subject of ['key_1', 'key_2', 'key_3']) await audit.append({ tenantId, keyId: 'key_0', atMs: AT_MS, action: 'key.create', subject, details: { name: 'x' } });
  await audit.append({ tenantId: 'another', keyId: 'key_0', atMs: AT_MS, action: 'key.create', subject: 'theirs', details: {} });
});
after(() => server.close());

async function get(path: string): Promise<Response> {
  return fetch(`${server.url}${BASE}/${path}`, { headers: HEADERS });
}

async function data<T>(path: string): Promise<T> {
  const response = await get(path);
  assert.equal(response.status, 200, await response.clone().text());
  return ((await response.json()) as { data: T }).data;
}

test('usage is summed up by what is asked for, of the caller’s tenant', async () => {
  const byDay = await data<{ usage: unknown[] }>('usage?from=2026-11-21&to=2026-11-22');
  assert.deepEqual(byDay, {
    from: '2026-11-21T00:00:00.000Z',
    to: '2026-11-22T00:00:00.000Z',
    usage: [{ day: '2026-11-21', calls: 1, heard_seconds: 24_001 / 16_000, speech_seconds: 1, silent_seconds: 8001 / 16_000, heard_samples: 24_001, audio_bytes: 100, duration_seconds: 1.5 }],
  });
  const inAll = await data<{ usage: { calls: number }[] }>('usage?from=2026-11-21T10:00:00Z&to=2027-01-01T00:00:00%2B01:00&group_by=');
  assert.deepEqual(inAll.usage.map(({ calls }) => calls), [2]);
});

test('usage can be had as CSV', async () => {
  const response = await get('usage?from=2026-11-01&to=2026-12-01&group_by=key,day&format=csv');
  assert.equal(response.headers.get('content-type'), 'text/csv; charset=utf-8');
  assert.equal(
    await response.text(),
    'day,key_id,calls,heard_seconds,speech_seconds,silent_seconds,heard_samples,audio_bytes,duration_seconds\r\n' +
      '2026-11-21,key_1,1,1.5000625,1,0.5000625,24001,100,1.5\r\n' +
      '2026-11-22,"a ""key"", that",1,1.5000625,1,0.5000625,24001,0,1.5\r\n',
  );
});

test('the audit log is read page by page, newest first', async () => {
  interface Log {
    records: { subject: string }[];
    next: string | null;
  }
  const first = await data<Log>('audit?limit=2');
  assert.deepEqual(first.records, [
    { at: '2026-11-21T10:00:00.000Z', key_id: 'key_0', action: 'key.create', subject: 'key_3', details: { name: 'x' } },
    { at: '2026-11-21T10:00:00.000Z', key_id: 'key_0', action: 'key.create', subject: 'key_2', details: { name: 'x' } },
  ]);
  const second = await data<Log>(`audit?limit=2&after=${String(first.next)}`);
  assert.deepEqual([second.records.map(({ subject }) => subject), second.next], [['key_1'], null]);
});

test('what cannot be asked is named', async () => {
  for (const [path, field] of [
    ['usage?from=yesterday', 'from'],
    ['usage?group_by=colour', 'group_by.0'],
    ['usage?format=xml', 'format'],
    ['audit?limit=0', 'limit'],
    ['audit?after=nonsense', 'after'],
  ] as const) {
    const response = await get(path);
    const { error } = (await response.json()) as ErrorAnswer;
    assert.deepEqual([response.status, error.code, error.details?.[0]?.field], [422, 'VALIDATION_ERROR', field], path);
  }
});

test('a budget ends a stream with a warning, all that was heard, and its error; then an upload is refused', async () => {
  const limited = await startServer();
  const { store, url } = limited;
  try {
    const policy = { allowedBackends: 'AB', defaultBackend: 'A', residency: 'any', maxConcurrentSessions: null, maxSessionSeconds: null } as const;
    await store.tenants.putPolicy('default', { ...policy, budget: { seconds: 2, period: 'month' } }, 0);
    const socket = new WebSocket(`${url.replace('http', 'ws')}${BASE}/stream/transcribe`, { headers: HEADERS });
    const frames: Record<string, unknown>[] = [];
    socket.on('message', (frame: Buffer) => frames.push(JSON.parse(frame.toString()) as Record<string, unknown>));
    const closed = once(socket, 'close');
    await once(socket, 'open');
    socket.send('{"type":"open","media_type":"audio/pcm"}');
    socket.send(bytesOf(joined(loud(1000), quiet(2000), loud(1000))));
    assert.equal((await closed)[0], 1008);
    const codes = frames.filter(({ type }) => type === 'warning' || type === 'error').map(({ type, code }) => `${String(type)} ${String(code)}`);
    assert.deepEqual(codes, ['warning BUDGET_LOW', 'error BUDGET_EXCEEDED']);
    assert.deepEqual(frames.filter((frame) => frame['is_final'] === true).map((frame) => frame['text']), ['w0 w1']);
    assert.equal(frames.at(-1)?.['type'], 'error');
    const form = new FormData();
    form.set('file', new Blob([Buffer.from(bytesOf(loud(100)))]));
    const refused = await fetch(`${url}${BASE}/transcribe`, { method: 'POST', headers: HEADERS, body: form });
    assert.deepEqual([refused.status, ((await refused.json()) as ErrorAnswer).error.code], [402, 'BUDGET_EXCEEDED']);
    const sums = await store.usage.sum('default', { fromMs: 0, toMs: 1e15, groupBy: ['transport'] });
    assert.deepEqual(sums.map(({ transport, calls, heardSamples }) => [transport, calls, heardSamples]), [['websocket', 1, 2 * 16_000]]);
  } finally {
    await limited.close();
  }
});
