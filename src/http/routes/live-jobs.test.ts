import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { NO_STATS } from '../../../signaling/testing/fake-engine.ts';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { FedSource, joined, loud, quiet, settle } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { BASE, startServer, type TestServer } from '../testing/server.ts';

const SPEECH = joined(loud(1000), quiet(1000), loud(500), quiet(500));
const server = await startServer();
after(() => server.close());

interface Job {
  readonly job_id: string;
  readonly status: string;
  readonly source?: string;
  readonly transcript: string | null;
  readonly segments: readonly { readonly text: string; readonly start: number; readonly end: number; readonly lane: number }[];
  readonly audio_bytes: number | null;
  readonly audio_duration_ms: number | null;
  readonly error: { readonly code: string } | null;
}

type Frame = Job['segments'][number] & { readonly type: string; readonly is_final?: boolean };

async function get<T extends object>(path: string, from: TestServer): Promise<T> {
  const answer = await fetch(`${from.url}${BASE}/${path}`);
  return ((await answer.json()) as { readonly data: T }).data;
}

const jobIds = async (from: TestServer): Promise<string[]> => (await get<{ jobs: readonly Job[] }>('transcribe/jobs', from)).jobs.map(({ job_id: id }) => id);

/** What `act` leaves behind as a job. */
async function keptBy(act: () => Promise<unknown>, at: TestServer = server): Promise<Job> {
  const before = await jobIds(at);
  await act();
  let added: string[] = [];
  await eventually(async () => {
    added = (await jobIds(at)).filter((id) => !before.includes(id));
    return added.length > 0;
  });
  assert.equal(added.length, 1);
  return get<Job>(`transcribe/jobs/${added[0] ?? ''}`, at);
}

interface Client {
  readonly socket: WebSocket;
  readonly frames: Frame[];
  readonly closed: Promise<number>;
  readonly texts: () => string[];
}

async function openStream(at: TestServer = server): Promise<Client> {
  const socket = new WebSocket(`${at.url.replace('http', 'ws')}${BASE}/stream/transcribe`);
  const frames: Frame[] = [];
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame));
  const closed = once(socket, 'close').then(([code]) => code as number);
  await once(socket, 'open');
  socket.send('{"type":"open","media_type":"audio/pcm","language_hint":"en"}');
  return { socket, frames, closed, texts: () => frames.filter((frame) => frame.is_final === true).map(({ text }) => text) };
}

test('a stream is kept as it was told: text, times, bytes', async () => {
  let client: Client | undefined;
  const job = await keptBy(async () => {
    client = await openStream();
    client.socket.send(bytesOf(SPEECH));
    client.socket.send('{"type":"close"}');
    assert.equal(await client.closed, 1000);
  });
  assert.deepEqual([job.status, job.error, job.transcript, job.audio_bytes, job.audio_duration_ms], ['completed', null, client?.texts().join(' '), SPEECH.length * 2, 3000]);
  assert.equal(job.transcript, 'w0 w1 w4');
  const told = client?.frames.filter((frame) => frame.is_final === true).map(({ text, start, end, lane }) => ({ text, start, end, lane }));
  assert.deepEqual(job.segments.map(({ text, start, end, lane }) => ({ text, start, end, lane })), told);
});

test('a stream whose client is gone is kept with what was heard', async () => {
  const job = await keptBy(async () => {
    const client = await openStream();
    client.socket.send(bytesOf(SPEECH));
    await eventually(() => client.texts().length > 0);
    client.socket.terminate();
  });
  assert.deepEqual([job.status, job.transcript], ['completed', 'w0 w1 w4']);
});

test('a stream that ends in an error is kept with both, and one of which nothing was heard has failed', async () => {
  const heard = await keptBy(async () => {
    const client = await openStream();
    client.socket.send(bytesOf(joined(loud(1000), quiet(1000))));
    await eventually(() => client.texts().length > 0);
    server.recognizer.fail();
    client.socket.send(bytesOf(loud(500)));
    assert.equal(await client.closed, 1011);
  });
  assert.deepEqual([heard.status, heard.error?.code, heard.transcript], ['completed', 'BACKEND_ERROR', 'w0 w1']);
  const nothing = await keptBy(async () => {
    const client = await openStream();
    client.socket.send('BAD!');
    client.socket.send('nonsense');
    await client.closed;
  });
  assert.deepEqual([nothing.status, nothing.transcript], ['failed', null]);
});

test('the tracks of a WebRTC session are one transcript in the order of time', async () => {
  const job = await keptBy(async () => {
    const body = JSON.stringify({ sdp: { type: 'offer', sdp: 'offer' } });
    const created = await fetch(`${server.url}${BASE}/webrtc/sessions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const { data } = (await created.json()) as { readonly data: { readonly session_id: string } };
    const peer = server.engine.peers.at(-1);
    peer?.handlers.track({ label: 'first', source: new FedSource().pcm(joined(loud(1000), quiet(1000))), stats: () => NO_STATS });
    peer?.handlers.track({ label: 'second', source: new FedSource().pcm(joined(quiet(1500), loud(500))), stats: () => NO_STATS });
    await settle();
    const ended = await fetch(`${server.url}${BASE}/webrtc/sessions/${data.session_id}`, { method: 'DELETE' });
    assert.equal(ended.status, 204);
  });
  assert.deepEqual([job.status, job.transcript, job.audio_bytes], ['completed', 'w0 w1 w3', null]);
  assert.deepEqual(job.segments.map(({ lane, text }) => [lane, text]), [[0, 'w0 w1'], [1, 'w3']]);
});

test('a session that the stop of the server ends is kept before the server is gone', async () => {
  const own = await startServer();
  const client = await openStream(own);
  client.socket.send(bytesOf(SPEECH));
  await eventually(() => client.texts().length > 0);
  await own.sessions.drain();
  await own.recorder.settled();
  const [job] = (await own.store.jobs.list('default', {}, { limit: 10 })).items;
  assert.deepEqual([job?.status, job?.error?.code], ['completed', 'SERVER_STOPPING']);
  const kept = await own.store.transcripts.get('default', job?.id ?? '');
  assert.deepEqual(kept?.transcript.utterances.map(({ text }) => text), ['w0 w1', 'w4']);
  await client.closed;
  await own.close();
});

test('where transcripts are not kept, none is', async () => {
  const own = await startServer({ keepTranscripts: false });
  const client = await openStream(own);
  client.socket.send(bytesOf(SPEECH));
  client.socket.send('{"type":"close"}');
  assert.equal(await client.closed, 1000);
  assert.deepEqual(client.texts(), ['w0 w1', 'w4']);
  const form = new FormData();
  form.set('file', new Blob([Uint8Array.from(bytesOf(SPEECH))]));
  const answer = await fetch(`${own.url}${BASE}/transcribe`, { method: 'POST', body: form });
  const { data } = (await answer.json()) as { readonly data: { readonly job_id: unknown; readonly transcript: string } };
  assert.deepEqual([answer.status, data.job_id, data.transcript], [200, null, 'w0 w1 w4']);
  await own.recorder.settled();
  assert.deepEqual(await jobIds(own), []);
  await own.close();
});
