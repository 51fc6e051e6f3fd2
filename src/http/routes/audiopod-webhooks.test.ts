import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { proving } from '../../../compatibility/proving.ts';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { PERMISSIONS } from '../../core/principal.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { OPERATOR } from '../../tenancy/testing/tenancy.ts';
import { startServer } from '../testing/server.ts';

type Message = Readonly<Record<string, unknown>>;
interface Told {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly raw: string;
  readonly body: Message;
}

const SPEECH = bytesOf(joined(quiet(500), loud(1000), quiet(1000), loud(500)));
const server = await startServer();
after(() => server.close());
const keyOf = async (tenantId: string): Promise<string> => (await server.tenancy.keys.create(OPERATOR, tenantId, { name: 'app', permissions: PERMISSIONS, expiresAtMs: null, budget: null })).secret;
const secret = await keyOf('acme');

/** By path: what a receiver there was told. */
const told = new Map<string, Told[]>();
let status = 204;
const receiver = createServer((request, response) => {
  let raw = '';
  request.setEncoding('utf8').on('data', (text: string) => (raw += text));
  request.on('end', () => {
    if (request.method === 'GET') {
      response.end(SPEECH);
      return;
    }
    const heard = told.get(request.url ?? '') ?? [];
    told.set(request.url ?? '', [...heard, { headers: request.headers, raw, body: JSON.parse(raw) as Message }]);
    response.writeHead(status).end();
  });
});
await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
after(() => receiver.close());
const base = `http://127.0.0.1:${String((receiver.address() as AddressInfo).port)}`;

async function ask(method: string, path: string, body?: object, key = secret): Promise<{ readonly status: number; readonly body: Message }> {
  const answer = await fetch(`${server.url}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ap_${key}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? {} : (JSON.parse(text) as Message) };
}

async function endpoint(path: string, settings: object = {}): Promise<{ readonly id: string; readonly secret: string }> {
  const { status: answered, body } = await ask('POST', 'webhooks/endpoints', { url: `${base}${path}`, ...settings });
  assert.equal(answered, 201, JSON.stringify(body));
  return body as unknown as { id: string; secret: string };
}

async function toldAt(path: string, count: number): Promise<readonly Told[]> {
  await eventually(() => (told.get(path)?.length ?? 0) >= count);
  return told.get(path) ?? [];
}
const log = async (id: string): Promise<readonly Message[]> => (await ask('GET', `webhooks/endpoints/${id}/deliveries`)).body['deliveries'] as Message[];
const submit = async (url = `${base}/a.wav`): Promise<number> => Number((await ask('POST', 'transcription/transcribe', { source_urls: [url] })).body['job_id']);

/** As the vendor's page has it. */
function assertSigned(key: string, { headers, raw, body }: Told): void {
  const timestamp = String(headers['x-audiopod-timestamp']);
  assert.ok(Math.abs(Number(timestamp) - Date.now() / 1000) < 60);
  assert.equal(headers['x-audiopod-signature'], `sha256=${createHmac('sha256', key).update(`${timestamp}.${raw}`).digest('hex')}`);
  assert.deepEqual([headers['content-type'], headers['x-audiopod-event'], headers['x-audiopod-event-id']], ['application/json', body['event_type'], body['event_id']]);
}

test(
  'a job that is done, one that fails, one that is cancelled and a live session are told, signed, each once',
  proving('audiopod', ['webhooks: job.completed, job.failed, job.cancelled, signed'], async () => {
    const added = await endpoint('/all');
    assert.match(added.secret, /^whsec_/);
    const done = await submit();
    const [first] = await toldAt('/all', 1);
    assert.ok(first);
    assertSigned(added.secret, first);
    assert.deepEqual(first.body, { event_type: 'job.completed', event_id: first.body['event_id'], job_id: done, job_type: 'transcription', status: 'completed' });
    const failed = await submit(`${base.replace(/:\d+$/, ':1')}/nobody.wav`);
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/transcription/stream?api_key=${secret}`);
    await once(socket, 'open');
    socket.send('{"type":"start"}');
    socket.send(SPEECH);
    socket.send('{"type":"end"}');
    await once(socket, 'close');
    const live = (await toldAt('/all', 2)).find(({ body }) => body['job_id'] !== done)?.body;
    assert.deepEqual([live?.['event_type'], live?.['status']], ['job.completed', 'completed']);
    // A job that is tried again later is not over.
    assert.equal(told.get('/all')?.some(({ body }) => body['job_id'] === failed), false);
    const [id = ''] = [await server.store.jobs.idOf('acme', failed)];
    await server.store.jobs.cancel('acme', id, Date.now());
    await ask('POST', `webhooks/endpoints/${added.id}/test`);
    const cancelled = (await toldAt('/all', 4)).find(({ body }) => body['job_id'] === failed);
    assert.deepEqual(cancelled?.body['event_type'], 'job.cancelled');
    const test = told.get('/all')?.find(({ body }) => body['event_type'] === 'webhook.test');
    assert.ok(test);
    assertSigned(added.secret, test);
    assert.equal((await ask('DELETE', `webhooks/endpoints/${added.id}`)).status, 204);
  }),
);

test(
  'a failure is told with its reason, to who asked for failures only',
  proving('audiopod', ['webhooks: job.completed, job.failed, job.cancelled, signed'], async () => {
    const only = await endpoint('/failures', { events: ['job.failed', 'narration.review_required'], description: 'mine' });
    await submit();
    await ask('POST', 'transcription/transcribe-upload'); // Refused: no job, so nothing is told.
    const job = await server.store.jobs.get('acme', (await server.store.jobs.list('acme', {}, { limit: 1 })).items[0]?.id ?? '');
    assert.ok(job);
    await server.store.jobs.add({ ...job, id: 'job_broken', status: 'failed', endedAtMs: Date.now(), error: { code: 'AUDIO_MALFORMED', message: 'It is no audio.' } });
    await ask('POST', `webhooks/endpoints/${only.id}/test`);
    const heard = await toldAt('/failures', 2);
    const failure = heard.find(({ body }) => body['event_type'] === 'job.failed')?.body;
    assert.deepEqual([failure?.['status'], failure?.['error_message'], failure?.['failure_reason']], ['failed', 'It is no audio.', 'AUDIO_MALFORMED']);
    assert.equal(heard.length, 2);
    const { body } = await ask('GET', `webhooks/endpoints/${only.id}`);
    assert.deepEqual([body['events'], body['active'], body['description'], 'secret' in body], [['job.failed'], true, 'mine', false]);
    await ask('DELETE', `webhooks/endpoints/${only.id}`);
  }),
);

test(
  'what a receiver does not take is in the log, and can be told again as the same event',
  proving('audiopod', ['webhooks: tests, log, replay'], async () => {
    const { id } = await endpoint('/broken');
    status = 500;
    await ask('POST', `webhooks/endpoints/${id}/test`);
    await eventually(async () => (await log(id))[0]?.['attempts'] === 1);
    const [entry] = await log(id);
    assert.deepEqual([entry?.['status'], entry?.['response_status'], entry?.['event_type'], entry?.['job_id']], ['pending', 500, 'webhook.test', null]);
    const pauseMs = Date.parse(String(entry?.['next_attempt_at'])) - Date.now();
    assert.ok(pauseMs > 50_000 && pauseMs <= 60_000, String(pauseMs));
    status = 204;
    assert.equal((await ask('POST', `webhooks/deliveries/${String(entry?.['id'])}/redeliver`)).body['status'], 'pending');
    const attempts = await toldAt('/broken', 2);
    assert.equal(new Set(attempts.map(({ headers }) => headers['x-audiopod-event-id'])).size, 1);
    await eventually(async () => (await log(id))[0]?.['status'] === 'delivered');
    await ask('DELETE', `webhooks/endpoints/${id}`);
  }),
);

test('an endpoint can be put to sleep, changed and listed; it is its tenant’s alone, and needs the right to', async () => {
  const { id } = await endpoint('/asleep', { active: false });
  const changed = await ask('PATCH', `webhooks/endpoints/${id}`, { url: `${base}/awake`, events: ['job.cancelled'] });
  assert.deepEqual([changed.status, changed.body['url'], changed.body['events'], changed.body['active']], [200, `${base}/awake`, ['job.cancelled'], false]);
  assert.equal((await ask('GET', 'webhooks/endpoints')).status, 200);
  const other = await keyOf('other');
  for (const [method, path] of [['GET', ''], ['PATCH', ''], ['DELETE', ''], ['POST', '/test'], ['GET', '/deliveries']] as const) {
    const answer = await ask(method, `webhooks/endpoints/${id}${path}`, method === 'PATCH' ? {} : undefined, other);
    assert.deepEqual([answer.status, answer.body['code']], [404, 'NOT_FOUND'], `${method} ${path}`);
  }
  assert.deepEqual((await ask('POST', 'webhooks/deliveries/evt_1/redeliver', undefined, other)).status, 404);
  const plain = await server.tenancy.keys.create(OPERATOR, 'acme', { name: 'plain', permissions: ['scaiecho:transcribe'], expiresAtMs: null, budget: null });
  assert.equal((await ask('GET', 'webhooks/endpoints', undefined, plain.secret)).status, 403);
  await ask('DELETE', `webhooks/endpoints/${id}`);
});

test('addresses are https and public, and there are twenty at most', async () => {
  for (const url of ['http://example.com/hook', 'https://10.0.0.1/hook', 'ftp://example.com', 'https://user:word@example.com/', 'x']) {
    assert.deepEqual([(await ask('POST', 'webhooks/endpoints', { url })).status], [422], url);
  }
  const ids = [];
  for (let count = 0; count < 20; count += 1) ids.push((await endpoint('/many', { active: false })).id);
  const refused = await ask('POST', 'webhooks/endpoints', { url: 'https://example.com/hook' });
  assert.deepEqual([refused.status, refused.body['code']], [429, 'QUOTA_EXCEEDED']);
  for (const id of ids) await ask('DELETE', `webhooks/endpoints/${id}`);
});
