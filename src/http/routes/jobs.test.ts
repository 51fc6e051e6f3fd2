import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import type { AudioDecoder } from '../../core/audio.ts';
import { EarshotError } from '../../core/errors.ts';
import { FedSource, joined, loud, quiet } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { isSigned, type SignedHeaders } from '../../jobs/callback-signature.ts';
import { BASE, KEY, startServer, type ErrorAnswer, type TestServer } from '../testing/server.ts';

interface Job {
  readonly job_id: string;
  readonly status: string;
  readonly transcript: string | null;
  readonly segments?: readonly { readonly segment_id: string; readonly text: string; readonly start: number; readonly end: number; readonly words: readonly { readonly text: string }[] }[];
  readonly error: { readonly code: string } | null;
  readonly audio_bytes: number | null;
}

const SPEECH = bytesOf(joined(quiet(500), loud(1000), quiet(1000), loud(500)));
const TEXT = 'w1 w2 w5';
const server = await startServer();
after(() => server.close());

/** What a receiver of callbacks was sent, and a file at an address. */
const received: { readonly headers: SignedHeaders; readonly body: string }[] = [];
const statuses: number[] = [];
const remote = createServer((request, response) => {
  if (request.method === 'GET') {
    const status = Number(/^\/status\/(\d+)/.exec(request.url ?? '')?.[1] ?? 200);
    response.writeHead(status, request.url === '/declared' ? { 'content-length': SPEECH.length } : {}).end(status === 200 ? SPEECH : 'no');
    return;
  }
  let body = '';
  request.setEncoding('utf8').on('data', (text: string) => (body += text));
  request.on('end', () => {
    received.push({ headers: request.headers as unknown as SignedHeaders, body });
    response.writeHead(statuses.shift() ?? 204).end();
  });
});
await new Promise<void>((resolve) => remote.listen(0, '127.0.0.1', resolve));
const remoteUrl = `http://127.0.0.1:${String((remote.address() as AddressInfo).port)}`;
after(() => remote.close());

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the wire has no types: the caller says what it expects
async function call<T>(method: string, path: string, body?: unknown, to: TestServer = server): Promise<{ readonly status: number; readonly data: T; readonly error: ErrorAnswer['error'] }> {
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const answer = await fetch(`${to.url}${BASE}/${path}`, { method, ...init });
  const text = await answer.text();
  const { data, error } = (text === '' ? {} : JSON.parse(text)) as { data: T; error: ErrorAnswer['error'] };
  return { status: answer.status, data, error };
}

async function submit(fields: Readonly<Record<string, string>> = {}, to: TestServer = server, audio: Uint8Array = SPEECH): Promise<Response> {
  const form = new FormData();
  form.append('file', new Blob([Uint8Array.from(audio)]), 'a.wav');
  for (const [name, value] of Object.entries({ force_async: 'true', ...fields })) form.append(name, value);
  return fetch(`${to.url}${BASE}/transcribe`, { method: 'POST', body: form });
}

async function queued(answer: Response | Promise<Response>): Promise<string> {
  const { data } = (await (await answer).json()) as { data: { job_id: string } };
  return data.job_id;
}

async function ended(id: string, to: TestServer = server): Promise<Job> {
  let job: Job | undefined;
  await eventually(async () => {
    job = (await call<Job>('GET', `transcribe/jobs/${id}`, undefined, to)).data;
    return !['queued', 'running'].includes(job.status);
  });
  return job ?? assert.fail();
}

test('a job is queued with its address, and completed with its text', async () => {
  const answer = await submit();
  assert.equal(answer.status, 202);
  const id = await queued(answer.clone());
  assert.equal(answer.headers.get('location'), `${BASE}/transcribe/jobs/${id}`);
  const { segments, ...job } = await ended(id);
  assert.deepEqual([job.status, job.transcript, segments?.length, job.error, job.audio_bytes], ['completed', TEXT, 2, null, SPEECH.length]);
});

test('audio that is none is a failed job, told with HTTP 200', async () => {
  const job = await ended(await queued(submit({}, server, Buffer.from('BAD!'))));
  assert.deepEqual([job.status, job.transcript, job.error?.code], ['failed', null, 'AUDIO_UNSUPPORTED']);
  assert.equal((await call('GET', `transcribe/jobs/${job.job_id}?format=srt`)).error.code, 'SESSION_CONFLICT');
});

test('what was heard of audio that breaks off is paid for', async () => {
  const broken: AudioDecoder = async (bytes) => {
    await Array.fromAsync(bytes);
    return { lanes: [new FedSource().pcm(joined(loud(1000), quiet(1000))).fail(new EarshotError('AUDIO_MALFORMED', 'Broken.'))] };
  };
  const own = await startServer({ decode: broken });
  const job = await ended(await queued(submit({}, own)), own);
  assert.deepEqual([job.status, job.error?.code], ['failed', 'AUDIO_MALFORMED']);
  const { data } = await call<{ usage: object[] }>('GET', 'usage?group_by=transport', undefined, own);
  assert.deepEqual(data.usage.map((row) => ({ ...row, speech_seconds: 0, silent_seconds: 0, duration_seconds: 0 })), [
    { transport: 'job', calls: 1, heard_seconds: 2, heard_samples: 32_000, speech_seconds: 0, silent_seconds: 0, audio_bytes: SPEECH.length, duration_seconds: 0 },
  ]);
  await own.close();
});

test('the audit log tells who made, edited, cancelled and deleted which job, through every API', async () => {
  const own = await startServer();
  const { job_id: id, segments } = await ended(await queued(submit({}, own)), own);
  await call('PUT', `transcribe/jobs/${id}/transcript`, { base_version: 1, segments }, own);
  await call('PUT', `transcribe/jobs/${id}/transcript`, { base_version: 1, segments }, own);
  const audiopod = async (method: string, path: string, body?: object): Promise<unknown> =>
    (await fetch(`${own.url}/api/v1/transcription/${path}`, { method, headers: { 'x-api-key': KEY, ...(body && { 'content-type': 'application/json' }) }, ...(body && { body: JSON.stringify(body) }) })).status;
  const [number] = await own.store.jobs.numbers('default', [id]);
  assert.equal(await audiopod('PUT', `jobs/${String(number)}/edit`, { segments: [{ start: 0, end: 1, text: 'mine' }] }), 200);
  assert.equal(await audiopod('DELETE', `jobs/${String(number)}`), 204);
  own.recognizer.pause();
  const url = await call<{ job_id: string }>('POST', 'transcribe', { url: `${remoteUrl}/a.wav` }, own);
  await call('POST', `transcribe/jobs/${url.data.job_id}/cancel`, undefined, own);
  await call('DELETE', `transcribe/jobs/${url.data.job_id}`, undefined, own);
  const { data } = await call<{ records: { action: string; subject: string; key_id: string; details: object }[] }>('GET', 'audit', undefined, own);
  assert.deepEqual(data.records.reverse().map(({ action, subject, details }) => [action, subject, details]), [
    ['job.create', id, { source: 'upload' }],
    ['job.edit', id, { version: 2 }],
    ['job.edit', id, { version: 3 }],
    ['job.delete', id, {}],
    ['job.create', url.data.job_id, { source: 'url' }],
    ['job.cancel', url.data.job_id, {}],
    ['job.delete', url.data.job_id, {}],
  ]);
  assert.ok(data.records.every(({ key_id: by }) => by !== ''));
  own.recognizer.resume();
  await own.close();
});

test('a transcript comes in every format', async () => {
  const { job_id: id } = await ended(await queued(submit()));
  for (const [format, start] of [['txt', `${TEXT}\n`], ['text', `${TEXT}\n`], ['srt', '1\n00:00:00,500'], ['vtt', 'WEBVTT']] as const) {
    const text = await (await fetch(`${server.url}${BASE}/transcribe/jobs/${id}?format=${format}`)).text();
    assert.ok(text.startsWith(start), format);
  }
});

test('jobs are listed newest first, by pages and by status; deleted ones are gone', async () => {
  const own = await startServer();
  const ids: string[] = [];
  for (let count = 0; count < 5; count += 1) ids.unshift((await ended(await queued(submit({}, own)), own)).job_id);
  const listed: string[] = [];
  for (let after: string | null | undefined = ''; after !== null; ) {
    const page: { data: { jobs: Job[]; next: string | null } } = await call('GET', `transcribe/jobs?limit=2${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`, undefined, own);
    listed.push(...page.data.jobs.map((job) => job.job_id));
    assert.ok(page.data.jobs.every((job) => !('transcript' in job)));
    after = page.data.next;
  }
  assert.deepEqual([...listed].sort(), [...ids].sort());
  const broken = (await ended(await queued(submit({}, own, Buffer.from('BAD!'))), own)).job_id;
  const ofStatus = async (status: string): Promise<string[]> => (await call<{ jobs: Job[] }>('GET', `transcribe/jobs?status=${status}`, undefined, own)).data.jobs.map((job) => job.job_id);
  assert.deepEqual([await ofStatus('failed'), (await ofStatus('completed')).sort(), await ofStatus('queued')], [[broken], [...ids].sort(), []]);
  assert.equal((await call('GET', 'transcribe/jobs?status=lost', undefined, own)).error.code, 'VALIDATION_ERROR');
  assert.equal((await call('GET', 'transcribe/jobs?limit=201', undefined, own)).error.code, 'VALIDATION_ERROR');
  assert.equal((await call('DELETE', `transcribe/jobs/${ids[0] ?? ''}`, undefined, own)).status, 204);
  for (const path of [`transcribe/jobs/${ids[0] ?? ''}`, 'transcribe/jobs/job_none', 'transcribe/jobs/job_none/transcript', 'transcribe/jobs/job_none/transcript/versions']) {
    assert.deepEqual([(await call('GET', path, undefined, own)).error.code], ['NOT_FOUND'], path);
  }
  await own.close();
});

test('a job that runs is cancelled at once, leaves nothing, and cannot be cancelled twice', async () => {
  const own = await startServer();
  own.recognizer.pause();
  const id = await queued(submit({}, own));
  await eventually(() => own.sessions.size === 1);
  assert.equal((await call<Job>('POST', `transcribe/jobs/${id}/cancel`, undefined, own)).data.status, 'cancelled');
  await eventually(() => own.sessions.size === 0);
  assert.equal((await call('POST', `transcribe/jobs/${id}/cancel`, undefined, own)).error.code, 'SESSION_CONFLICT');
  for await (const name of own.blobs.names()) assert.fail(name);
  own.recognizer.resume();
  assert.equal((await ended(id, own)).status, 'cancelled');
  await own.close();
});

test('a tenant with too many waiting jobs is told to come back, and the upload is not kept', async () => {
  const own = await startServer({ maxQueuedJobs: 2 });
  own.recognizer.pause();
  const first = await queued(submit({}, own));
  await eventually(async () => (await call<Job>('GET', `transcribe/jobs/${first}`, undefined, own)).data.status === 'running');
  const answers = await Promise.all([1, 2, 3, 4].map(() => submit({}, own)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [202, 202, 429, 429]);
  const refused = answers.find(({ status }) => status === 429);
  assert.equal(((await refused?.json()) as ErrorAnswer).error.code, 'QUOTA_EXCEEDED');
  assert.equal(refused?.headers.get('retry-after'), '30');
  let blobs = 0;
  for await (const name of own.blobs.names()) blobs += Number(name !== '');
  assert.equal(blobs, 3);
  own.recognizer.resume();
  await own.close();
});

test('a file at an address is fetched, as a form field or as JSON', async () => {
  const { status, data } = await call<{ job_id: string; audio_bytes: null }>('POST', 'transcribe', { url: `${remoteUrl}/a.wav`, language_hint: 'en', diarize: false });
  assert.deepEqual([status, data.audio_bytes], [202, null]);
  const job = await ended(data.job_id);
  assert.deepEqual([job.status, job.transcript, job.audio_bytes], ['completed', TEXT, SPEECH.length]);
  const form = new FormData();
  form.append('url', `${remoteUrl}/a.wav`);
  assert.equal((await ended(await queued(fetch(`${server.url}${BASE}/transcribe`, { method: 'POST', body: form })))).transcript, TEXT);
});

test('an address that has nothing, or too much, fails the job; one that may not be asked is refused, or fails where only DNS tells', async () => {
  const at = async (url: string): Promise<string | undefined> => (await ended((await call<Job>('POST', 'transcribe', { url })).data.job_id)).error?.code;
  assert.equal(await at(`${remoteUrl}/status/404`), 'URL_NOT_FOUND');
  const small = await startServer({ maxUploadBytes: SPEECH.length - 2 });
  // With its length told beforehand, and without.
  for (const path of ['declared', 'a.wav']) {
    const { data } = await call<Job>('POST', 'transcribe', { url: `${remoteUrl}/${path}` }, small);
    assert.equal((await ended(data.job_id, small)).error?.code, 'AUDIO_TOO_LARGE', path);
  }
  await small.close();
  for (const url of ['http://10.0.0.1/a.wav', 'http://[::1]/a.wav', 'http://2852039166/latest/meta-data', 'file:///etc/passwd', 'http://user:secret@example.com/']) {
    const { status, error } = await call('POST', 'transcribe', { url });
    assert.deepEqual([status, error.code, error.details?.[0]?.field], [422, 'VALIDATION_ERROR', 'url'], url);
  }
  assert.equal((await call('POST', 'transcribe', {})).error.details?.[0]?.field, 'file');
});

test('a callback tells the job as it can be read, signed; and the secret can be replaced', async () => {
  const { data } = await call<{ secret: string }>('GET', 'webhook-secret');
  assert.match(data.secret, /^whsec_/);
  const id = await queued(submit({ callback_url: `${remoteUrl}/hook`, force_async: 'false' }));
  await eventually(() => received.length === 1);
  const [{ headers, body } = assert.fail()] = received;
  assert.deepEqual(JSON.parse(body), (await call('GET', `transcribe/jobs/${id}`)).data);
  assert.ok(isSigned(data.secret, headers, body, Date.now()));
  assert.ok(!isSigned(data.secret, headers, `${body} `, Date.now()) && !isSigned('whsec_other', headers, body, Date.now()) && !isSigned(data.secret, headers, body, Date.now() + 600_000));
  assert.match(headers['x-earshot-event-id'], /^evt_/);
  const rotated = (await call<{ secret: string }>('POST', 'webhook-secret')).data.secret;
  assert.notEqual(rotated, data.secret);
  assert.equal((await call<{ secret: string }>('GET', 'webhook-secret')).data.secret, rotated);
  // A tenant may bring one of its own; who replaced it is told.
  assert.equal((await call('PUT', 'tenant-secrets/webhook', { value: 'a secret of ours' })).status, 204);
  assert.equal((await call<{ secret: string }>('GET', 'webhook-secret')).data.secret, 'a secret of ours');
  await queued(submit({ callback_url: `${remoteUrl}/hook` }));
  await eventually(() => received.length === 2);
  assert.ok(isSigned('a secret of ours', received[1]!.headers, received[1]!.body, Date.now()));
  const { records } = (await call<{ records: { action: string; subject: string }[] }>('GET', 'audit')).data;
  assert.deepEqual(records.filter(({ subject }) => subject === 'webhook').map(({ action }) => action), ['secret.put', 'secret.put']);
});

test('an edit is a new version over the one that was read; the first stays, and who was late is told', async () => {
  const { job_id: id, segments = [] } = await ended(await queued(submit()));
  const edited = segments.map((each, index) => (index === 0 ? { ...each, text: 'hello there' } : each));
  const put = (baseVersion: number): ReturnType<typeof call<{ version: number; edited_by: string }>> => call('PUT', `transcribe/jobs/${id}/transcript`, { base_version: baseVersion, segments: edited });
  const { status, data } = await put(1);
  assert.deepEqual([status, data.version], [200, 2]);
  assert.deepEqual((await put(1)).error.code, 'SESSION_CONFLICT');
  const job = (await call<Job>('GET', `transcribe/jobs/${id}`)).data;
  assert.equal(job.transcript, 'hello there w5');
  assert.deepEqual(job.segments?.[1], segments[1], 'what was not edited keeps its word times');
  assert.match(await (await fetch(`${server.url}${BASE}/transcribe/jobs/${id}/transcript?version=1&format=txt`)).text(), /^w1 w2 w5/);
  const versions = (await call<{ versions: { version: number; edited_by: string | null }[] }>('GET', `transcribe/jobs/${id}/transcript/versions`)).data.versions;
  assert.deepEqual(versions.map(({ version, edited_by: by }) => [version, by === null]).sort(), [[1, true], [2, false]]);
  const found = await call<{ results: { job_id: string; excerpt: string }[] }>('GET', 'transcribe/search?q=hello');
  assert.deepEqual(found.data.results.map((each) => each.job_id), [id]);
  for (const segment of [{ text: 'x', start: 2, end: 1 }, { text: 'x', start: -1, end: 1 }, { start: 0, end: 1 }]) {
    assert.equal((await call('PUT', `transcribe/jobs/${id}/transcript`, { base_version: 2, segments: [segment] })).error.code, 'VALIDATION_ERROR');
  }
});
