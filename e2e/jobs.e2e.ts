import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { call } from './clients/rest.ts';
import { eventually } from './eventually.ts';
import { API, TestServer } from './server.ts';
import { inSequence, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, STORY, tellStory } from './spoken.ts';
import { wordErrors } from './wer.ts';

interface Job {
  readonly job_id: string;
  readonly status: string;
  readonly progress: number;
  readonly attempts: number;
  readonly transcript: string | null;
}

const RETELLINGS = 12;

async function submit(server: TestServer, audio: Uint8Array, fields: Readonly<Record<string, string>> = {}): Promise<string> {
  const form = new FormData();
  form.set('file', new Blob([Uint8Array.from(audio)]), 'story.wav');
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  const answer = await fetch(`${server.url}${API}/transcribe`, { method: 'POST', body: form });
  assert.equal(answer.status, 202);
  assert.match(answer.headers.get('location') ?? '', /\/transcribe\/jobs\/job_/);
  return ((await answer.json()) as { data: Job }).data.job_id;
}

async function job(server: TestServer, id: string): Promise<Job> {
  return (await call<Job>(server, 'GET', `transcribe/jobs/${id}`)).data ?? assert.fail();
}

/** Resolves once the job has a status. */
function until(server: TestServer, id: string, status: string): Promise<unknown> {
  return eventually(`the job is ${status}`, async () => (await job(server, id)).status === status, { timeoutMs: 300_000 });
}

/** What the documentation tells receivers to do. */
function isFromEarshot(secret: string, headers: Readonly<Record<string, unknown>>, body: string): boolean {
  const timestamp = String(headers['x-earshot-timestamp']);
  const expected = `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
  const given = String(headers['x-earshot-signature']);
  const isFresh = Math.abs(Date.now() / 1000 - Number(timestamp)) < 300;
  return isFresh && given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}

describe('a recording over the inline limit', () => {
  let dataDir: string;
  let server: TestServer;
  let audio: Buffer;
  const env = { EARSHOT_OUTBOUND_NETWORKS: '127.0.0.1' };
  const spoken = Array.from({ length: RETELLINGS }, () => STORY).join(' ');

  before(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'earshot-jobs-'));
    server = await TestServer.start({ dataDir, env });
    const told = await withSilence(await tellStory(), 500, 2000);
    audio = await readFile(await inSequence(...Array.from({ length: RETELLINGS }, () => told)));
    assert.ok(audio.length > 5 * 1024 * 1024, 'over the inline limit');
  });
  after(async () => {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('becomes a job, is finished though the server is killed in the middle, and its callback comes signed', async () => {
    const received: { readonly headers: Readonly<Record<string, unknown>>; readonly body: string }[] = [];
    const receiver = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        received.push({ headers: request.headers, body });
        response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const { port } = receiver.address() as AddressInfo;
    const id = await submit(server, audio, { callback_url: `http://127.0.0.1:${String(port)}/hook` });
    await until(server, id, 'running');
    await server.kill();
    assert.equal(received.length, 0);

    server = await TestServer.start({ dataDir, env });
    await until(server, id, 'completed');
    const done = await job(server, id);
    assert.equal(done.attempts, 2);
    const errors = wordErrors(spoken, done.transcript ?? '');
    assert.ok(errors.rate <= MAX_WORD_ERROR_RATE, `${String(errors.rate)}: ${done.transcript ?? ''}`);

    await eventually('the callback comes', () => received.length === 1);
    const { secret } = (await call<{ secret: string }>(server, 'GET', 'webhook-secret')).data ?? assert.fail();
    const [{ headers, body } = assert.fail()] = received;
    assert.ok(isFromEarshot(secret, headers, body));
    assert.equal((JSON.parse(body) as Job).transcript, done.transcript);
    receiver.close();
  });

  it('is cancelled while it runs', async () => {
    const id = await submit(server, audio);
    await until(server, id, 'running');
    assert.equal((await call<Job>(server, 'POST', `transcribe/jobs/${id}/cancel`)).data?.status, 'cancelled');
    await server.idle();
  });
});
