import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { BASE, startServer, type ErrorAnswer, type TestServer } from '../testing/server.ts';

const MAX_INLINE_BYTES = 512 * 1024;
const MAX_UPLOAD_BYTES = 1024 * 1024;
const server = await startServer({ maxInlineBytes: MAX_INLINE_BYTES, maxUploadBytes: MAX_UPLOAD_BYTES });

async function list({ url }: TestServer): Promise<{ readonly status: string }[]> {
  return ((await (await fetch(`${url}${BASE}/transcribe/jobs?limit=200`)).json()) as { data: { jobs: { status: string }[] } }).data.jobs;
}

async function blobNames({ blobs }: TestServer): Promise<string[]> {
  const names: string[] = [];
  for await (const name of blobs.names()) names.push(name);
  return names;
}
after(() => server.close());

/** A form with the fields in this order; bytes are the part named `file`. */
function form(...parts: readonly (readonly [name: string, value: string] | Uint8Array)[]): FormData {
  const data = new FormData();
  for (const part of parts) {
    if (part instanceof Uint8Array) data.append('file', new Blob([Uint8Array.from(part)]), 'audio.wav');
    else data.append(part[0], part[1]);
  }
  return data;
}

const post = (body: FormData | string, query = '', to: TestServer = server): Promise<Response> => fetch(`${to.url}${BASE}/transcribe${query}`, { method: 'POST', body });

async function refused(answer: Response): Promise<[status: number, code: string, field: string | undefined]> {
  const { error } = (await answer.json()) as ErrorAnswer;
  return [answer.status, error.code, error.details?.[0]?.field];
}

const SPEECH = bytesOf(joined(quiet(500), loud(1000), quiet(1000), loud(500)));

test('a file comes back as its text, with who said so and how long it was', async () => {
  const answer = await post(form(SPEECH));
  assert.equal(answer.status, 200);
  const { status, data, meta } = (await answer.json()) as { status: string; data: Record<string, unknown> & { segments: { words: unknown[] }[] }; meta: { request_id: string } };
  assert.equal(status, 'ok');
  assert.equal(meta.request_id, answer.headers.get('x-request-id'));
  const { job_id: jobId, segments, ...rest } = data;
  assert.match(String(jobId), /^job_/);
  assert.deepEqual(rest, { transcript: 'w1 w2 w5', backend_used: 'A', model: 'fake-model', language_detected: 'en', audio_duration_ms: 3000, audio_bytes: SPEECH.length });
  assert.deepEqual(segments[0]?.words[0], { text: 'w1', start: 0.5, end: 1, confidence: 0.9 });
  assert.equal(segments.length, 2);
});

test('fields may come before and after the file', async () => {
  const answer = await post(form(['language_hint', 'EN'], ['backend_preference', 'prefer_relay'], SPEECH, ['temperature', '0.5'], ['force_async', 'false'], ['diarize', 'false'], ['later', 'x']));
  assert.equal(answer.status, 200);
});

test('the transcript comes in the format that was asked for', async () => {
  const expected = { text: [/^text\/plain/, 'w1 w2 w5\n'], srt: [/^application\/x-subrip/, '1\n00:00:00,500 -->'], vtt: [/^text\/vtt/, 'WEBVTT\n'] } as const;
  for (const [format, [type, start]] of Object.entries(expected)) {
    const answer = await post(form(SPEECH), `?format=${format}`);
    assert.match(answer.headers.get('content-type') ?? '', type);
    assert.ok((await answer.text()).startsWith(start), format);
  }
  const paragraphs = await (await post(form(bytesOf(joined(loud(500), quiet(3000), loud(500)))), '?format=text&paragraphs=true')).text();
  assert.match(paragraphs, /^\S+\n\n\S+\n$/);
  assert.deepEqual(await refused(await post(form(SPEECH), '?format=docx')), [422, 'VALIDATION_ERROR', 'format']);
});

test('silence is an empty text', async () => {
  const answer = await post(form(bytesOf(quiet(2000))), '?format=text');
  assert.deepEqual([answer.status, await answer.text()], [200, '\n']);
});

test('what a field may not say is named', async () => {
  for (const [name, value] of [['language_hint', 'english'], ['language_hint', 'de'], ['backend_preference', 'best'], ['temperature', '1.1'], ['temperature', 'warm'], ['force_async', 'yes'], ['callback_url', 'ftp://x/'], ['callback_url', 'http://10.0.0.1/'], ['url', 'https://example.com/a.wav'], ['diarize', 'yes']] as const) {
    assert.deepEqual(await refused(await post(form([name, value], SPEECH))), [422, 'VALIDATION_ERROR', name], `${name}=${value}`);
  }
});

test('no file, an empty file, no form, no audio', async () => {
  assert.deepEqual(await refused(await post(form(['language_hint', 'en']))), [422, 'VALIDATION_ERROR', 'file']);
  assert.deepEqual(await refused(await post(form(new Uint8Array(0)))), [422, 'AUDIO_EMPTY', undefined]);
  assert.deepEqual(await refused(await post('text')), [422, 'VALIDATION_ERROR', 'body']);
  assert.deepEqual(await refused(await post(form(Buffer.from('BAD!')))), [415, 'AUDIO_UNSUPPORTED', undefined]);
});

test('a file at the limit is answered at once, two bytes more become a job, and over the limit of all nothing is taken or left', async () => {
  assert.equal((await post(form(new Uint8Array(MAX_INLINE_BYTES)))).status, 200);
  const queued = await post(form(new Uint8Array(MAX_INLINE_BYTES + 2)));
  assert.equal(queued.status, 202);
  assert.match(queued.headers.get('location') ?? '', new RegExp(`^${BASE}/transcribe/jobs/job_`));
  assert.deepEqual(await refused(await post(form(new Uint8Array(MAX_UPLOAD_BYTES + 2)))), [413, 'AUDIO_TOO_LARGE', undefined]);
  const { body, headers } = new Request('http://x', { method: 'POST', body: form(new Uint8Array(MAX_UPLOAD_BYTES * 2)) });
  const chunked = await fetch(`${server.url}${BASE}/transcribe`, { method: 'POST', body, headers, duplex: 'half' });
  assert.deepEqual(await refused(chunked), [413, 'AUDIO_TOO_LARGE', undefined]);
  await eventually(async () => (await list(server)).every(({ status }) => status === 'completed'));
  assert.deepEqual(await blobNames(server), []);
});

test('a large file whose fields come to nothing leaves nothing', async () => {
  const large = new Uint8Array(MAX_INLINE_BYTES + 2);
  assert.deepEqual(await refused(await post(form(large, ['temperature', 'warm']))), [422, 'VALIDATION_ERROR', 'temperature']);
  assert.deepEqual(await refused(await post(form(large, large))), [422, 'VALIDATION_ERROR', 'file']);
  assert.deepEqual(await blobNames(server), []);
});

test('a file far over the limit is refused before it is sent', async () => {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.write(`POST ${BASE}/transcribe HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 1000000000\r\n\r\n--x\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  assert.match(head.toString(), /^HTTP\/1\.1 413 /);
  assert.match(head.toString(), /AUDIO_TOO_LARGE/);
  socket.destroy();
});

test('what was answered at once can be read as a job', async () => {
  const answered = ((await (await post(form(SPEECH))).json()) as { data: { job_id: string; transcript: string } }).data;
  const job = ((await (await fetch(`${server.url}${BASE}/transcribe/jobs/${answered.job_id}`)).json()) as { data: Record<string, unknown> }).data;
  assert.deepEqual([job['status'], job['transcript'], job['source'], job['audio_bytes']], ['completed', answered.transcript, 'http', SPEECH.length]);
});

test('a full house says when to come back', async () => {
  const small = await startServer({ maxSessions: 0 });
  const answer = await post(form(SPEECH), '', small);
  assert.equal(answer.headers.get('retry-after'), '5');
  const { error } = (await answer.json()) as ErrorAnswer;
  assert.deepEqual([answer.status, error.code, error.retry_after], [503, 'CAPACITY_EXCEEDED', 5]);
  await small.close();
});

test('a client that goes before its answer frees its place', async () => {
  const own = await startServer();
  own.recognizer.pause();
  const gone = new AbortController();
  const asked = fetch(`${own.url}${BASE}/transcribe`, { method: 'POST', body: form(SPEECH), signal: gone.signal });
  await eventually(() => own.sessions.size === 1);
  gone.abort();
  await assert.rejects(asked);
  await eventually(() => own.sessions.size === 0);
  assert.equal(own.recognizer.snapshot().activeSessions, 0);
  await own.close();
});

test('after all of that nothing is left', () => {
  assert.deepEqual([server.sessions.size, server.recognizer.snapshot().activeSessions, server.recognizer.openStreams, server.clock.pendingTimers], [0, 0, 0, 0]);
  assert.deepEqual(server.logged, []);
});
