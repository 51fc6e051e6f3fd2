import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { WebSocket } from 'ws';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { PERMISSIONS, type Permission } from '../../core/principal.ts';
import { OPERATOR } from '../../tenancy/testing/tenancy.ts';
import { BASE, KEY, startServer } from '../testing/server.ts';

const server = await startServer();
const clients: Client[] = [];
after(async () => {
  for (const client of clients) await client.close();
  await server.close();
});

const SPEECH = Buffer.from(bytesOf(joined(quiet(500), loud(1000), quiet(1000), loud(500))));
const ALL = ['transcribe', 'get_job', 'list_jobs', 'search_transcripts', 'list_live_sessions', 'read_live_session', 'list_speakers'];

async function connected(secret: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(`${server.url}/mcp`), { requestInit: { headers: { authorization: `Bearer ${secret}` } } });
  await client.connect(transport);
  clients.push(client);
  return client;
}

async function keyOf(tenantId: string, permissions: readonly Permission[]): Promise<string> {
  return (await server.tenancy.keys.create(OPERATOR, tenantId, { name: 'mcp', permissions, expiresAtMs: null, budget: null })).secret;
}

interface Told {
  readonly data: Record<string, unknown>;
  readonly text: string;
  readonly isError: boolean;
}

async function call(client: Client, name: string, args: Record<string, unknown> = {}, onProgress?: (ms: number) => void): Promise<Told> {
  const result = (await client.callTool({ name, arguments: args }, undefined, onProgress && { onprogress: ({ progress }) => { onProgress(progress); } })) as CallToolResult;
  const [first] = result.content;
  return { data: result.structuredContent ?? {}, text: first?.type === 'text' ? first.text : '', isError: result.isError === true };
}

const client = await connected(KEY);

test('a caller sees the tools that its permissions allow, and can call no others', async () => {
  const names = async (secret: string): Promise<string[]> => (await (await connected(secret)).listTools()).tools.map(({ name }) => name);
  assert.deepEqual(await names(KEY), ALL);
  assert.deepEqual(await names(await keyOf('acme', ['scaiecho:transcribe'])), ALL.slice(0, -1));
  assert.deepEqual(await names(await keyOf('acme', ['scaiecho:enroll'])), ['list_speakers']);
  const enroller = await connected(await keyOf('acme', ['scaiecho:enroll']));
  assert.ok((await call(enroller, 'list_jobs').catch(() => ({ isError: true }))).isError);
});

test('every tool says what it takes, and which only read', async () => {
  const { tools } = await client.listTools();
  assert.ok(tools.every(({ description = '', inputSchema }) => description.length > 20 && Object.keys(inputSchema).includes('properties')));
  assert.deepEqual(tools.filter(({ annotations }) => annotations?.readOnlyHint !== true).map(({ name }) => name), ['transcribe']);
});

test('a recording is transcribed, with progress, and is a job afterwards', async () => {
  const heardMs: number[] = [];
  const { data, text } = await call(client, 'transcribe', { audio: SPEECH.toString('base64'), format: 'vtt' }, (ms) => heardMs.push(ms));
  assert.match(text, /^WEBVTT\n/);
  const { job_id: id, ...rest } = data;
  assert.deepEqual(rest, { transcript: 'w1 w2 w5', backend_used: 'A', language_detected: 'en', audio_duration_ms: 3000 });
  assert.ok(heardMs.length > 0 && heardMs.every((ms, index) => ms > (heardMs[index - 1] ?? 0)), heardMs.join());

  const job = await call(client, 'get_job', { job_id: id });
  assert.deepEqual([job.data['status'], job.data['source'], job.text], ['completed', 'mcp', 'w1 w2 w5\n']);
  const { data: listed } = await call(client, 'list_jobs', { limit: 1, status: 'completed' });
  assert.deepEqual((listed['jobs'] as { job_id: string }[]).map(({ job_id: each }) => each), [id]);
  const { data: found } = await call(client, 'search_transcripts', { query: 'w5' });
  assert.deepEqual((found['results'] as { job_id: string }[]).map(({ job_id: each }) => each), [id]);
});

test('an address becomes a job, whose transcript is read when it is done', async () => {
  const files = createServer((_request, response) => response.end(SPEECH)).listen(0, '127.0.0.1');
  await once(files, 'listening');
  const { port } = files.address() as AddressInfo;
  const { data } = await call(client, 'transcribe', { url: `http://127.0.0.1:${String(port)}/a.wav` });
  assert.equal(data['status'], 'queued');
  let job: Told | undefined;
  await eventually(async () => (job = await call(client, 'get_job', { job_id: data['job_id'] })).data['status'] === 'completed');
  assert.equal(job?.text, 'w1 w2 w5\n');
  files.close();
});

test('a live session is read while it goes on', async () => {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}${BASE}/stream/transcribe`, { headers: { authorization: `Bearer ${KEY}` } });
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'open', media_type: 'audio/pcm' }));
  socket.send(SPEECH.subarray(0, bytesOf(joined(quiet(500), loud(1000), quiet(950))).length));
  const live = async () => (await call(client, 'list_live_sessions')).data['sessions'] as { session_id: string; job_id: string | null }[];
  await eventually(async () => (await live()).length === 1);
  const [session] = await live();
  await eventually(async () => (await call(client, 'read_live_session', { session_id: session?.session_id })).data['transcript'] === 'w1 w2');
  const { data, text } = await call(client, 'read_live_session', { session_id: session?.job_id, format: 'srt' });
  assert.deepEqual([data['state'], data['is_whole']], ['open', true]);
  assert.match(text, /^1\n00:00:00,500 --> /);
  assert.equal((await call(client, 'read_live_session', { session_id: session?.session_id, from_seconds: 60 })).data['transcript'], '');

  const stranger = await connected(await keyOf('other', PERMISSIONS));
  assert.match((await call(stranger, 'read_live_session', { session_id: session?.session_id })).text, /^NOT_FOUND/);
  assert.deepEqual((await call(stranger, 'list_live_sessions')).data, { sessions: [] });
  socket.send(JSON.stringify({ type: 'close' }));
  await once(socket, 'close');
  await eventually(async () => (await live()).length === 0);
});

test('speakers are listed', async () => {
  assert.deepEqual((await call(client, 'list_speakers')).data, { speakers: [], next: null });
});

test('what goes wrong in a tool is told with its code', async () => {
  const told = async (name: string, args: Record<string, unknown>): Promise<string> => {
    const { isError, text } = await call(client, name, args);
    assert.ok(isError, text);
    return text.split(':')[0] ?? '';
  };
  assert.equal(await told('transcribe', {}), 'VALIDATION_ERROR');
  assert.equal(await told('transcribe', { audio: '' }), 'AUDIO_EMPTY');
  assert.equal(await told('transcribe', { url: 'ftp://example.com/x' }), 'VALIDATION_ERROR');
  assert.equal(await told('transcribe', { audio: SPEECH.toString('base64'), model: 'none' }), 'MODEL_NOT_FOUND');
  assert.equal(await told('get_job', { job_id: 'job_none' }), 'NOT_FOUND');
  assert.equal(await told('search_transcripts', { query: '  ' }), 'VALIDATION_ERROR');
  const plain = await connected(await keyOf('acme', ['scaiecho:transcribe']));
  assert.match((await call(plain, 'transcribe', { audio: 'AAAA', diarize: true })).text, /^AUTH_INSUFFICIENT_SCOPE/);
  assert.match((await call(client, 'list_jobs', { limit: 0 })).text, /limit/);
});

test('without a key there is nothing, and without a message neither', async () => {
  await assert.rejects(connected('sgk_wrong'), /AUTH_TOKEN_INVALID|Unauthorized|401/);
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/mcp`, { method: 'POST', body, headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}`, ...headers } });
  assert.equal((await post('{}')).status, 422);
  assert.equal((await post('{"jsonrpc":"2.0"}')).status, 406);
  assert.equal((await post('{"jsonrpc":"2.0"}', { accept: 'application/json, text/event-stream' })).status, 400);
  for (const method of ['GET', 'DELETE']) assert.equal((await fetch(`${server.url}/mcp`, { method, headers: { authorization: `Bearer ${KEY}` } })).status, 405);
});

test('who goes away in the middle ends the session', async () => {
  server.recognizer.pause();
  const leaver = await connected(KEY);
  const left = leaver.callTool({ name: 'transcribe', arguments: { audio: SPEECH.toString('base64') } });
  await eventually(() => server.recognizer.openStreams > 0);
  await leaver.close();
  await assert.rejects(left);
  await eventually(() => server.sessions.size === 0);
  server.recognizer.resume();
  // Nothing is kept of what nobody waited for.
  const { data } = await call(client, 'list_jobs');
  assert.equal((data['jobs'] as { source: string }[]).filter(({ source }) => source === 'mcp').length, 1);
});
