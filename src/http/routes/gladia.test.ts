import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { after, test } from 'node:test';
import { proving } from '../../../compatibility/proving.ts';
import { WebSocket } from 'ws';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { KEY, startServer } from '../testing/server.ts';

const server = await startServer();
after(() => server.close());

type Json = Record<string, unknown>;
const TALK = bytesOf(joined(loud(1000), quiet(1000)));

async function ask(method: string, path: string, body?: object, at = server): Promise<[number, Json]> {
  const response = await fetch(`${at.url}${path}`, {
    method,
    headers: { 'x-gladia-key': KEY, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return [response.status, text === '' ? {} : (JSON.parse(text) as Json)];
}

/** A session that was spoken to and has ended. */
async function spoken(init: object = {}, at = server): Promise<string> {
  const [status, { id, url }] = await ask('POST', '/v2/live', { endpointing: 0.7, ...init }, at);
  assert.equal(status, 201);
  const socket = new WebSocket(String(url));
  await once(socket, 'open');
  socket.send(TALK);
  socket.send('{"type":"stop_recording"}');
  const [code] = (await once(socket, 'close')) as [number];
  assert.equal(code, 1000);
  return String(id);
}

test('a session is made, spoken to, read, changed, listed and deleted', async () => {
  const id = await spoken({ custom_metadata: { room: 1 } });
  const [, job] = await ask('GET', `/v2/live/${id}`);
  assert.deepEqual([job['status'], job['kind'], job['custom_metadata'], job['error_code']], ['done', 'live', { room: 1 }, null]);
  const result = job['result'] as { transcription: { full_transcript: string }; messages: string[]; metadata: Json };
  assert.equal(result.transcription.full_transcript, 'w0 w1');
  assert.ok(result.messages.some((message) => (JSON.parse(message) as Json)['type'] === 'transcript'));
  const file = await fetch(`${server.url}/v2/live/${id}/file`, { headers: { 'x-gladia-key': KEY } });
  const audio = Buffer.from(await file.arrayBuffer());
  assert.deepEqual([file.headers.get('content-type'), audio.subarray(0, 4).toString(), audio.length], ['application/octet-stream', 'RIFF', TALK.length + 44]);
  assert.deepEqual(audio.subarray(44), Buffer.from(TALK));

  assert.equal((await ask('PATCH', `/v2/live/${id}`, { custom_metadata: { room: 2 } }))[0], 204);
  assert.equal((await ask('PATCH', `/v2/live/${id}`, { custom_metadata: { long: 'x'.repeat(100_001) } }))[0], 413);
  const listed = async (query: string): Promise<unknown[]> => ((await ask('GET', `/v2/live?${query}`))[1]['items'] as Json[]).map((item) => item['id']);
  assert.deepEqual(await listed('custom_metadata[room]=2&status=done&status=error'), [id]);
  assert.deepEqual(await listed('custom_metadata[room]=1'), []);
  assert.deepEqual(await listed('before_date=2000-01-01'), []);
  const second = await spoken();
  const [, page] = await ask('GET', '/v2/live?limit=1');
  assert.deepEqual((page['items'] as Json[]).map((item) => item['id']), [second]);
  const next = await fetch(String(page['next']), { headers: { 'x-gladia-key': KEY } });
  assert.deepEqual(((await next.json()) as { items: Json[]; next: unknown }).items.map((item) => item['id']), [id]);

  assert.equal((await ask('DELETE', `/v2/live/${id}`))[0], 202);
  for (const path of [`/v2/live/${id}`, `/v2/live/${id}/file`]) assert.equal((await ask('GET', path))[0], 404);
});

test('a session that goes on is listed, and cannot be deleted', async () => {
  const [, { id, url }] = await ask('POST', '/v2/live', {});
  assert.equal((await ask('GET', `/v2/live/${String(id)}`))[1]['status'], 'queued');
  assert.equal((await ask('DELETE', `/v2/live/${String(id)}`))[0], 403);
  assert.equal((await ask('PATCH', `/v2/live/${String(id)}`, { custom_metadata: { later: true } }))[0], 204);
  const socket = new WebSocket(String(url));
  await once(socket, 'open');
  assert.equal((await ask('GET', `/v2/live/${String(id)}`))[1]['status'], 'processing');
  socket.close(1000);
  await eventually(async () => (await ask('GET', `/v2/live/${String(id)}`))[1]['status'] === 'done');
  assert.deepEqual((await ask('GET', `/v2/live/${String(id)}`))[1]['custom_metadata'], { later: true });
  const late = new WebSocket(String(url));
  const [code] = (await once(late, 'close')) as [number];
  assert.equal(code, 4403);
});

test('a session whose server dies is there for the next one, with its metadata and all that was final', async () => {
  const own = await startServer();
  const [, { id, url }] = await ask('POST', '/v2/live', { custom_metadata: { first: 1 }, messages_config: { receive_acknowledgments: false } }, own);
  const path = `/v2/live/${String(id)}`;
  await ask('PATCH', path, { custom_metadata: { later: true } }, own);
  const socket = new WebSocket(String(url));
  const finals: string[] = [];
  socket.on('message', (data: Buffer) => {
    const { type, data: told } = JSON.parse(data.toString()) as { type: string; data: { is_final: boolean; utterance: { text: string } } };
    if (type === 'transcript' && told.is_final) finals.push(told.utterance.text);
  });
  await once(socket, 'open');
  socket.send(bytesOf(joined(loud(1000), quiet(2000), loud(500))));
  await eventually(() => finals.length === 1);
  // What the next start does, over the same store.
  await own.recorder.recover();
  const [, session] = await ask('GET', path, undefined, own);
  const { transcription, metadata } = session['result'] as { transcription: { full_transcript: string; utterances: { text: string }[] }; metadata: { audio_duration: number } };
  assert.deepEqual([session['status'], session['custom_metadata'], transcription.utterances.map(({ text }) => text)], ['done', { later: true }, finals]);
  assert.ok(metadata.audio_duration > 0.5);
  assert.deepEqual((((await ask('GET', '/v2/live', undefined, own))[1])['items'] as Json[]).map((item) => item['id']), [id]);
  assert.equal((await ask('GET', `${path}/file`, undefined, own))[0], 404);
  socket.send('{"type":"stop_recording"}');
  await once(socket, 'close');
  await own.close();
});

test('the socket’s address is the one that the client reached', async () => {
  const answer = await server.app.inject({
    method: 'POST',
    url: '/v2/live',
    headers: { 'x-gladia-key': KEY, host: 'earshot.example:8443', 'x-forwarded-proto': 'https' },
    payload: {},
  });
  assert.match(answer.json<{ url: string }>().url, /^wss:\/\/earshot\.example:8443\/v2\/live\?token=[\w-]{43}$/);
});

test('where nothing is to be kept, nothing is', async () => {
  const discreet = await startServer({ keepTranscripts: false });
  const id = await spoken({}, discreet);
  await eventually(async () => (await ask('GET', `/v2/live/${id}`, undefined, discreet))[0] === 404);
  const kept: string[] = [];
  for await (const name of discreet.blobs.names()) kept.push(name);
  assert.deepEqual([kept, (await discreet.store.jobs.list('default', {}, { limit: 10 })).items], [[], []]);
  await discreet.close();
});

test(
  'refusals have the vendor’s shape',
  proving('gladia', ['errors: `statusCode`, `validation_errors`'], async () => {
    const [status, refused] = await ask('POST', '/v2/live', { channels: 9, sample_rate: 1 });
    assert.deepEqual([status, refused['statusCode'], refused['message'], refused['path']], [400, 400, 'Validation error', '/v2/live']);
    assert.equal((refused['validation_errors'] as string[]).length, 2);
    assert.match(String(refused['request_id']), /^G-/);
    for (const callback_config of [undefined, { url: 'http://10.0.0.1/' }, { url: 'ftp://example.org/' }]) assert.equal((await ask('POST', '/v2/live', { callback: true, callback_config }))[0], 400);
    const [, german] = await ask('POST', '/v2/live', { language_config: { languages: ['de'] } });
    assert.deepEqual(german['validation_errors'], ['language_config.languages: one of en']);
    const wrong = await fetch(`${server.url}/v2/live`, { headers: { 'x-gladia-key': 'sgk_wrong' } });
    const { statusCode, request_id: requestId } = (await wrong.json()) as Json;
    assert.deepEqual([wrong.status, statusCode, wrong.headers.get('x-aipi-call-id')], [401, 401, requestId]);
    assert.equal((await ask('GET', '/v2/live/unknown'))[0], 404);
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/v2/live?token=unknown`);
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    assert.equal(response.statusCode, 401);
  }),
);
