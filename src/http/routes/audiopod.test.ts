import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { proving } from '../../../compatibility/proving.ts';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { PERMISSIONS } from '../../core/principal.ts';
import { OPERATOR } from '../../tenancy/testing/tenancy.ts';
import { startServer } from '../testing/server.ts';

interface Job {
  readonly id: number;
  readonly job_id: number;
  readonly status: string;
  readonly error_message: string | null;
  readonly source_urls: readonly string[];
  readonly model_type: string;
  readonly total_duration: number;
  readonly display_name: string;
  readonly estimated_credits: number;
}
interface Segment {
  readonly id: number;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly speaker_label?: string;
  readonly words: readonly { readonly word: string; readonly probability: number }[];
}
interface Edit {
  readonly segments: readonly Segment[];
  readonly version: number;
  readonly changes_count: number;
}
type Message = Readonly<Record<string, unknown>>;

const SPEECH = bytesOf(joined(quiet(500), loud(1000), quiet(1000), loud(500)));
const TEXT = 'w1 w2 w5';
const server = await startServer();
after(() => server.close());
const { secret } = await server.tenancy.keys.create(OPERATOR, 'acme', { name: 'app', permissions: PERMISSIONS, expiresAtMs: null, budget: null });

const remote = createServer((_request, response) => response.end(SPEECH));
await new Promise<void>((resolve) => remote.listen(0, '127.0.0.1', resolve));
const remoteUrl = `http://127.0.0.1:${String((remote.address() as AddressInfo).port)}/a.wav`;
after(() => remote.close());

function ask(method: string, path: string, body?: unknown, key = secret): Promise<Response> {
  const json = body !== undefined && !(body instanceof FormData);
  return fetch(`${server.url}/api/v1/${path}`, {
    method,
    headers: { 'x-api-key': `ap_${key}`, ...(json && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: body instanceof FormData ? body : JSON.stringify(body) }),
  });
}

async function get<T>(path: string, key?: string): Promise<T> {
  const answer = await ask('GET', path, undefined, key);
  assert.equal(answer.status, 200, path);
  return (await answer.json()) as T;
}

async function refused(asked: Promise<Response>): Promise<readonly [status: number, code: unknown]> {
  const answer = await asked;
  const { detail, code } = (await answer.json()) as Message;
  assert.equal(typeof detail, 'string');
  return [answer.status, code];
}

function form(audio: Uint8Array, fields: Readonly<Record<string, string>> = {}, name = 'files'): FormData {
  const data = new FormData();
  data.append(name, new Blob([Uint8Array.from(audio)]), 'a.wav');
  for (const [field, value] of Object.entries(fields)) data.append(field, value);
  return data;
}

async function ended(submitted: Promise<Response>): Promise<Job> {
  const answer = await submitted;
  assert.equal(answer.status, 200);
  const { job_id: id, status } = (await answer.json()) as Job;
  assert.equal(status, 'PENDING');
  let job: Job | undefined;
  await eventually(async () => {
    job = await get<Job>(`transcription/jobs/${String(id)}`);
    return !['PENDING', 'PROCESSING'].includes(job.status);
  });
  return job ?? assert.fail();
}

test(
  'a file becomes a job with an integer for an id, polled at any of its addresses',
  proving('audiopod', ['jobs: transcribe an address, an upload', 'jobs: list, read, delete, older paths'], async () => {
    const job = await ended(ask('POST', 'transcription/transcribe-upload', form(SPEECH, { model_type: 'premium', language: 'en', display_name: 'Monday' })));
    assert.ok(Number.isInteger(job.id) && job.id === job.job_id);
    assert.deepEqual([job.status, job.total_duration, job.model_type, job.display_name, job.estimated_credits, job.error_message], ['COMPLETED', 3, 'premium', 'Monday', 11, null]);
    assert.deepEqual(await get(`transcription/status/${String(job.id)}`), job);
    assert.equal((await ended(ask('POST', 'transcription/transcribe-upload', form(Buffer.from('BAD!'), {}, 'file')))).status, 'FAILED');
  }),
);

test(
  'a file at an address does too',
  proving('audiopod', ['jobs: transcribe an address, an upload'], async () => {
    const job = await ended(ask('POST', 'transcription/transcribe', { source_urls: [remoteUrl], enable_word_timestamps: true, min_speakers: 1 }));
    assert.deepEqual([job.status, job.source_urls], ['COMPLETED', [remoteUrl]]);
  }),
);

test(
  'a transcript comes as json, txt, srt and vtt; what is not written is refused',
  proving('audiopod', ['jobs: export as json, txt, srt, vtt', 'jobs: export as pdf, docx, html'], async () => {
    const { id } = await ended(ask('POST', 'transcription/transcribe-upload', form(SPEECH)));
    for (const path of [`jobs/${String(id)}/transcript`, `transcript/${String(id)}`, `result/${String(id)}`]) {
      const { segments, ...rest } = await get<{ segments: Segment[]; confidence_score: number }>(`transcription/${path}`);
      assert.deepEqual(rest, { job_id: id, detected_language: 'en', confidence_score: rest.confidence_score, total_duration: 3, speakers: [], video_metadata: [] });
      assert.ok(rest.confidence_score > 0);
      assert.deepEqual(segments.map(({ id: number, text, start }) => [number, text, start]), [[0, 'w1 w2', 0.5], [1, 'w5', 2.5]]);
      assert.equal(segments[0]?.words[0]?.word, 'w1');
    }
    for (const [format, start] of [['txt', TEXT], ['srt', '1\n00:00:00,500'], ['vtt', 'WEBVTT']] as const) {
      const answer = await ask('GET', `transcription/jobs/${String(id)}/transcript?format=${format}`);
      assert.match(answer.headers.get('content-disposition') ?? '', new RegExp(`filename="transcript_${String(id)}\\.${format}"`));
      assert.ok((await answer.text()).startsWith(start), format);
    }
    for (const format of ['pdf', 'docx', 'html', 'mp3']) assert.deepEqual(await refused(ask('GET', `transcription/jobs/${String(id)}/transcript?format=${format}`)), [422, 'VALIDATION_ERROR']);
  }),
);

test(
  'an edit is a version; what was not edited stays as it was',
  proving('audiopod', ['jobs: edits and versions'], async () => {
    const { id } = await ended(ask('POST', 'transcription/transcribe-upload', form(SPEECH)));
    const path = `transcription/jobs/${String(id)}`;
    const { segments, version } = await get<Edit>(`${path}/edit`);
    assert.equal(version, 1);
    const edit = [{ ...segments[0], text: 'hello there', speaker_label: 'Alice' }, segments[1]];
    const saved = (await (await ask('PUT', `${path}/edit`, { segments: edit, edit_notes: 'x' })).json()) as Edit;
    assert.deepEqual([saved.version, saved.changes_count, saved.segments[0]?.speaker_label, saved.segments[1]], [2, 1, 'Alice', segments[1]]);
    assert.deepEqual((await get<Edit>(`${path}/edit`)).segments, saved.segments);
    const { versions } = await get<{ versions: readonly Message[] }>(`${path}/versions`);
    assert.deepEqual(versions.map((each) => [each['version'], each['edit_notes'], each['changes_count']]), [[2, 'x', 1], [1, null, 0]]);
    assert.match(await (await ask('GET', `${path}/transcript?format=txt`)).text(), /Alice: hello there/);
    assert.deepEqual(await refused(ask('PUT', `${path}/edit`, { segments: edit, version: 1 })), [409, 'SESSION_CONFLICT']);
    assert.deepEqual(await refused(ask('PUT', `${path}/edit`, { segments: [{ text: 'x', start: 2, end: 1 }] })), [422, 'VALIDATION_ERROR']);
  }),
);

test(
  'jobs are listed by number and by status; a deleted one is gone, and so is that of another tenant',
  proving('audiopod', ['jobs: list, read, delete, older paths'], async () => {
    const { id } = await ended(ask('POST', 'transcription/transcribe-upload', form(SPEECH)));
    const all = await get<{ jobs: Job[] }>('transcription/jobs');
    assert.equal(all.jobs[0]?.id, id);
    assert.deepEqual((await get<{ jobs: Job[] }>('transcription/jobs?limit=2&offset=1')).jobs, all.jobs.slice(1, 3));
    assert.deepEqual((await get<{ jobs: Job[] }>('transcription/jobs?limit=2&skip=1')).jobs, all.jobs.slice(1, 3));
    assert.ok((await get<{ jobs: Job[] }>('transcription/jobs?status=failed')).jobs.every(({ status }) => status === 'FAILED'));
    assert.deepEqual(await refused(ask('GET', 'transcription/jobs?status=done')), [422, 'VALIDATION_ERROR']);
    const other = await server.tenancy.keys.create(OPERATOR, 'other', { name: 'x', permissions: PERMISSIONS, expiresAtMs: null, budget: null });
    assert.deepEqual(await refused(ask('GET', `transcription/jobs/${String(id)}`, undefined, other.secret)), [404, 'NOT_FOUND']);
    assert.deepEqual((await get<{ jobs: Job[] }>('transcription/jobs', other.secret)).jobs, []);
    assert.deepEqual(await refused(ask('GET', `transcription/jobs/${String(id)}/audio/0`)), [404, 'NOT_FOUND']);
    assert.equal((await ask('DELETE', `transcription/jobs/${String(id)}`)).status, 204);
    for (const path of [`jobs/${String(id)}`, 'jobs/0', 'jobs/x', `jobs/${String(id)}/transcript`, `jobs/${String(id)}/edit`]) assert.deepEqual(await refused(ask('GET', `transcription/${path}`)), [404, 'NOT_FOUND'], path);
  }),
);

test('what is wrong is said in the vendor’s shape, and nothing is kept of it', async () => {
  const post = (path: string, body: unknown): Promise<Response> => ask('POST', `transcription/${path}`, body);
  assert.deepEqual(await refused(post('transcribe', { source_urls: [] })), [422, 'VALIDATION_ERROR']);
  assert.deepEqual(await refused(post('transcribe', { source_urls: [remoteUrl, remoteUrl] })), [422, 'VALIDATION_ERROR']);
  assert.deepEqual(await refused(post('transcribe', { source_urls: ['http://10.0.0.1/'] })), [422, 'VALIDATION_ERROR']);
  assert.deepEqual(await refused(post('transcribe', { source_urls: [remoteUrl], language: 'no language' })), [422, 'VALIDATION_ERROR']);
  assert.deepEqual(await refused(post('transcribe-upload', {})), [422, 'VALIDATION_ERROR']);
  assert.deepEqual(await refused(post('transcribe-upload', form(SPEECH, { language: '!' }))), [422, 'VALIDATION_ERROR']);
  assert.deepEqual(await refused(post('transcribe-upload', form(new Uint8Array(0)))), [422, 'AUDIO_EMPTY']);
  assert.deepEqual(await refused(ask('GET', 'transcription/jobs', undefined, 'sgk_wrong')), [401, 'AUTH_TOKEN_INVALID']);
  for await (const name of server.blobs.names()) assert.fail(name);
});

test(
  'a token made of a key opens a session, and makes no further token',
  proving('audiopod', ['short-lived tokens, `?token=`'], async () => {
    const answer = (await (await ask('POST', 'auth/token')).json()) as { access_token: string; token_type: string; expires_in: number };
    assert.deepEqual([answer.token_type, answer.expires_in > 3590], ['bearer', true]);
    assert.deepEqual(await refused(ask('POST', 'auth/token', undefined, answer.access_token)), [403, 'AUTHZ_PERMISSION_DENIED']);
    const { frames, code } = await stream(`?token=${answer.access_token}`, SPEECH);
    assert.deepEqual([frames[0]?.['type'], frames.at(-1)?.['type'], code], ['ready', 'completed', 1000]);
  }),
);

test(
  'a token that ends its sessions early has a preview only, and what was heard in it is kept',
  proving('audiopod', ['live: previews (`taste`)'], async () => {
    const minted = await fetch(`${server.url}/v1/modules/scaiecho/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify({ permissions: ['scaiecho:transcribe'], max_session_seconds: 2 }),
    });
    const { data } = (await minted.json()) as { data: { token: string } };
    const { frames } = await stream(`?token=${data.token}`, SPEECH);
    assert.deepEqual([frames[0]?.['taste'], frames[0]?.['max_duration_seconds']], [true, 2]);
    assert.deepEqual(frames.slice(-2).map((frame) => frame['code'] ?? frame['streamed_seconds']), ['MAX_DURATION_REACHED', 2]);
    const { job_id: id } = frames.at(-1) ?? {};
    assert.equal((await get<Job>(`transcription/jobs/${String(id)}`)).status, 'COMPLETED');
  }),
);

test(
  'a live session is a job that can be read as soon as it is completed',
  proving('audiopod', ['a session is a job, by an integer'], async () => {
    const { frames } = await stream(`?api_key=${secret}`, SPEECH);
    const { job_id: id, credits_used: used, streamed_seconds: seconds } = frames.at(-1) ?? {};
    assert.deepEqual([used, seconds], [11, 3]);
    const job = await get<Job>(`transcription/jobs/${String(id)}`);
    assert.deepEqual([job.status, job.display_name, job.total_duration], ['COMPLETED', 'Live session', 3]);
    assert.match(await (await ask('GET', `transcription/jobs/${String(id)}/transcript?format=txt`)).text(), /w1 w2/);
  }),
);

test(
  'kept audio is given back byte by byte, to its tenant',
  proving('audiopod', ['jobs: stored audio'], async () => {
    const { id } = await ended(ask('POST', 'transcription/transcribe-upload', form(SPEECH)));
    const done = (await server.store.jobs.get('acme', (await server.store.jobs.idOf('acme', id)) ?? '')) ?? assert.fail();
    const { name } = await server.blobs.write(Readable.from([SPEECH]), { maxBytes: SPEECH.length });
    await server.store.jobs.add({ ...done, id: 'job_kept', status: 'failed', error: { code: 'AUDIO_MALFORMED', message: 'x' }, source: { kind: 'upload', blob: name, bytes: SPEECH.length } });
    const [number] = await server.store.jobs.numbers('acme', ['job_kept']);
    const answer = await ask('GET', `transcription/jobs/${String(number)}/audio/0`);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), Buffer.from(SPEECH));
    assert.deepEqual(await refused(ask('GET', `transcription/jobs/${String(number)}/audio/1`)), [404, 'NOT_FOUND']);
    assert.equal((await ask('DELETE', `transcription/jobs/${String(number)}`)).status, 204);
  }),
);

test('a session that goes on is a running job', async () => {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/transcription/stream?api_key=${secret}`);
  await once(socket, 'open');
  socket.send('{"type":"start"}');
  const [data] = (await once(socket, 'message')) as [Buffer];
  const { job_id: id } = JSON.parse(data.toString()) as Job;
  const job = await get<Job>(`transcription/jobs/${String(id)}`);
  assert.deepEqual([job.id, job.status], [id, 'PROCESSING']);
  assert.deepEqual(await refused(ask('GET', `transcription/jobs/${String(id)}/transcript`)), [404, 'NOT_FOUND']);
  const other = await server.tenancy.keys.create(OPERATOR, 'other', { name: 'y', permissions: PERMISSIONS, expiresAtMs: null, budget: null });
  assert.deepEqual(await refused(ask('GET', `transcription/jobs/${String(id)}`, undefined, other.secret)), [404, 'NOT_FOUND']);
  socket.close();
  await eventually(async () => (await get<Job>(`transcription/jobs/${String(id)}`)).status !== 'PROCESSING');
});

test(
  'the wallet is the budget in credits',
  proving('audiopod', ['credits: 220 a minute, reserved and settled', 'wallet: balance, usage, estimate, pricing', 'jobs: errors as `detail`, 402 with `insufficient_api_balance`'], async () => {
    assert.deepEqual(await get('api-wallet/balance'), { unlimited: true, period: null, balance_credits: null, used_credits: null, reserved_credits: null, low_balance_warning: false });
    const own = await server.tenancy.keys.create(OPERATOR, 'purse', { name: 'x', permissions: PERMISSIONS, expiresAtMs: null, budget: { seconds: 4, period: 'day' } });
    const balance = (): Promise<Message> => get('api-wallet/balance', own.secret);
    assert.deepEqual((await balance())['balance_credits'], 14);
    const { frames } = await stream(`?api_key=${own.secret}`, SPEECH);
    assert.equal(frames[0]?.['max_duration_seconds'], 4);
    await eventually(async () => (await balance())['used_credits'] === 11);
    assert.deepEqual([(await balance())['balance_credits'], (await balance())['reserved_credits']], [3, 0]);
    const [log] = (await get<{ logs: Message[] }>('api-wallet/usage', own.secret)).logs;
    assert.deepEqual([log?.['duration_minutes'], log?.['credits_used']], [0.05, 11]);
    const last = await stream(`?api_key=${own.secret}`, SPEECH);
    assert.deepEqual(last.frames.slice(-2).map((frame) => frame['code'] ?? frame['streamed_seconds']), ['MAX_DURATION_REACHED', 1]);
    await eventually(async () => (await balance())['balance_credits'] === 0);
    assert.deepEqual((await stream(`?api_key=${own.secret}`, SPEECH)).frames.map((frame) => frame['code']), ['INSUFFICIENT_CREDITS']);
    assert.deepEqual(await refused(ask('POST', 'transcription/transcribe', { source_urls: [remoteUrl] }, own.secret)), [402, 'BUDGET_EXCEEDED']);
  }),
);

test(
  'what audio would cost is told to anybody, in credits',
  proving('audiopod', ['wallet: balance, usage, estimate, pricing'], async () => {
    const estimate = await fetch(`${server.url}/api/v1/api-wallet/estimate`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"service_type":"transcription","duration_seconds":90}' });
    assert.deepEqual(await estimate.json(), { service_type: 'transcription', duration_minutes: 1.5, rate_per_minute: '220 credits/min', credits: 330 });
    const pricing = (await (await fetch(`${server.url}/api/v1/api-wallet/pricing`)).json()) as Message;
    assert.deepEqual(pricing, { services: { transcription: { rate_per_minute: '220 credits/min', credits_per_minute: 220 } } });
  }),
);

test('of a budget with less than a second left no session is opened', async () => {
  const { secret: poor } = await server.tenancy.keys.create(OPERATOR, 'poor', { name: 'x', permissions: PERMISSIONS, expiresAtMs: null, budget: { seconds: 0.5, period: 'day' } });
  assert.deepEqual((await stream(`?api_key=${poor}`, SPEECH)).frames.map((frame) => frame['code']), ['INSUFFICIENT_CREDITS']);
});

test(
  'who may not have speakers is told so',
  proving('audiopod', ['live: error codes and closes'], async () => {
    const own = await server.tenancy.keys.create(OPERATOR, 'acme', { name: 'plain', permissions: ['scaiecho:transcribe'], expiresAtMs: null, budget: null });
    assert.deepEqual((await stream(`?api_key=${own.secret}`, SPEECH, { diarize: true })).frames.map((frame) => frame['code']), ['PREMIUM_TIER_REQUIRED']);
    assert.deepEqual(await refused(ask('POST', 'transcription/transcribe', { source_urls: [remoteUrl], model_type: 'premium-diarized' }, own.secret)), [403, 'AUTH_INSUFFICIENT_SCOPE']);
  }),
);

/** A whole session: start, the audio at once, end. */
async function stream(query: string, audio: Uint8Array, more: object = {}): Promise<{ readonly frames: readonly Message[]; readonly code: number }> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/transcription/stream${query}`);
  const frames: Message[] = [];
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Message));
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'start', sample_rate: 16_000, channels: 1, ...more }));
  socket.send(audio);
  socket.send('{"type":"end"}');
  const [code] = (await once(socket, 'close')) as [number];
  return { frames, code };
}
