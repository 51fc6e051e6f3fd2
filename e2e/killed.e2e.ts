import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { proving } from '../compatibility/proving.ts';
import { call, upload } from './clients/rest.ts';
import { StreamClient } from './clients/stream.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { tellStory } from './spoken.ts';
import { samplesOf } from './wav.ts';

interface Job {
  readonly job_id: string;
  readonly status: string;
  readonly transcript: string | null;
  readonly error: { readonly code: string } | null;
}

interface Usage {
  readonly calls: number;
  readonly heard_seconds: number;
}

interface GladiaSession {
  readonly status: string;
  readonly custom_metadata: unknown;
  readonly result: { readonly transcription: { readonly utterances: readonly { readonly text: string }[] } };
}

/** One receiver of callbacks, which can be away. */
class Receiver {
  readonly bodies: string[] = [];
  readonly ids: unknown[] = [];
  /** Requests that it broke off. */
  refused = 0;
  isAway = true;
  readonly #server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      this.ids.push(request.headers['x-earshot-event-id']);
      if (this.isAway) this.refused += 1;
      else this.bodies.push(body);
      response.writeHead(this.isAway ? 503 : 204).end();
    });
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}/hook`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe('a server that is killed', () => {
  let dataDir: string;
  let server: TestServer;
  let audio: Buffer;
  const env = { EARSHOT_OUTBOUND_NETWORKS: '127.0.0.1', EARSHOT_ENGINE_PROCESSES: '1' };

  before(async () => {
    audio = await readFile(await tellStory());
  });
  beforeEach(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'earshot-killed-'));
    server = await TestServer.start({ dataDir, env });
  });
  afterEach(async () => {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const restart = async (): Promise<void> => {
    await server.kill();
    server = await TestServer.start({ dataDir, env });
  };
  const used = async (): Promise<Usage> => {
    const { data } = await call<{ usage: readonly Usage[] }>(server, 'GET', 'usage?group_by=');
    return data?.usage[0] ?? assert.fail();
  };
  const job = async (id: string): Promise<Job | undefined> => (await call<Job>(server, 'GET', `transcribe/jobs/${id}`)).data;

  it('in the midst of a live session has kept every final that the client was told', async () => {
    const client = await StreamClient.connect(server);
    client.socket.on('error', () => undefined);
    client.send({ type: 'open', media_type: 'audio/pcm', sample_rate: 16_000 });
    const ready = (await client.frame('ready', ({ type }) => type === 'ready')) as { readonly job_id?: string };
    const samples = samplesOf(audio);
    // All but the end: the third sentence is being spoken.
    await client.sendAudio(samples.subarray(0, Math.floor(samples.length * 0.8 / 2) * 2));
    await eventually('two sentences are final', () => client.finals.length >= 2);
    await restart();
    await client.closed;
    const kept = await job(ready.job_id ?? '');
    assert.deepEqual([kept?.status, kept?.error?.code], ['completed', 'SERVER_STOPPING']);
    assert.equal(kept?.transcript, client.text);
    assert.notEqual(client.text, '');
    // What was heard is accounted for: all that the finals are of, and no more than was sent.
    const { calls, heard_seconds: seconds } = await used();
    const lastEnd = Math.max(...client.finals.map(({ end }) => end));
    assert.ok(calls === 1 && seconds >= lastEnd && seconds <= (samples.length / 2 / 16_000) * 0.8 + 0.1, `${String(calls)} calls, ${String(seconds)} s, finals to ${String(lastEnd)} s`);
  });

  it('in the midst of a session of Gladia’s has it listed, with every final that the client was told', async () => {
    const headers = { 'x-gladia-key': server.apiKey, 'content-type': 'application/json' };
    const init = { custom_metadata: { room: 7 }, endpointing: 0.7, messages_config: { receive_partial_transcripts: false } };
    const { id, url } = (await (await fetch(`${server.url}/v2/live`, { method: 'POST', headers, body: JSON.stringify(init) })).json()) as { id: string; url: string };
    const socket = new WebSocket(url);
    const told: string[] = [];
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { type: string; data: { utterance: { text: string } } };
      if (message.type === 'transcript') told.push(message.data.utterance.text);
    });
    await once(socket, 'open');
    const samples = samplesOf(audio);
    socket.send(samples.subarray(0, Math.floor(samples.length * 0.8 / 2) * 2));
    await eventually('two sentences are final', () => told.length >= 2);
    await restart();
    const session = (await (await fetch(`${server.url}/v2/live/${id}`, { headers: { 'x-gladia-key': server.apiKey } })).json()) as GladiaSession;
    assert.deepEqual([session.status, session.custom_metadata, session.result.transcription.utterances.map(({ text }) => text)], ['done', { room: 7 }, told]);
    const listed = (await (await fetch(`${server.url}/v2/live`, { headers: { 'x-gladia-key': server.apiKey } })).json()) as { items: { id: string }[] };
    assert.deepEqual(listed.items.map((item) => item.id), [id]);
    assert.ok((await used()).heard_seconds > 5);
  });

  it('at the moment at which the client is told the end still has the transcript', async () => {
    const client = await StreamClient.connect(server);
    client.socket.on('error', () => undefined);
    client.send({ type: 'open' });
    const ready = (await client.frame('ready', ({ type }) => type === 'ready')) as { readonly job_id?: string };
    client.socket.on('message', (data: Buffer) => {
      if ((JSON.parse(data.toString()) as { type: string }).type === 'closed') server.process.kill('SIGKILL');
    });
    await client.sendAudio(audio);
    client.send({ type: 'close' });
    await client.frame('closed', ({ type }) => type === 'closed');
    await restart();
    const kept = await job(ready.job_id ?? '');
    assert.deepEqual([kept?.status, kept?.transcript], ['completed', client.text]);
  });

  it('right after an upload was answered still has it', async () => {
    const answer = await upload(server, audio);
    await restart();
    assert.equal((await job(answer.data?.job_id ?? ''))?.transcript, answer.data?.transcript);
  });

  it('while it owes a callback delivers it after the next start, with the same event id', async () => {
    const receiver = new Receiver();
    try {
      const url = await receiver.listen();
      const queued = await upload(server, audio, { fields: { callback_url: url } });
      assert.equal(queued.status, 202);
      const id = queued.data?.job_id ?? '';
      await eventually('the receiver refused it once', () => receiver.refused > 0);
      assert.equal((await job(id))?.status, 'completed');
      await server.kill();
      receiver.isAway = false;
      server = await TestServer.start({ dataDir, env });
      await eventually('the callback is delivered', () => receiver.bodies.length > 0);
      const [body = '{}'] = receiver.bodies;
      assert.deepEqual([(JSON.parse(body) as Job).job_id, new Set(receiver.ids).size], [id, 1]);
      assert.notEqual(receiver.ids[0], undefined);
    } finally {
      receiver.close();
    }
  });

  it(
    'while a live session owes its receiver callbacks delivers them after the next start, in their order and with the same event ids',
    proving('gladia', ['live: callbacks'], async () => {
      const receiver = new Receiver();
      try {
        const session = { callback: true, callback_config: { url: await receiver.listen() } };
        const created = await fetch(`${server.url}/v2/live`, { method: 'POST', headers: { 'x-gladia-key': server.apiKey, 'content-type': 'application/json' }, body: JSON.stringify(session) });
        const socket = new WebSocket(((await created.json()) as { url: string }).url);
        socket.on('error', () => undefined);
        await once(socket, 'open');
        socket.send(samplesOf(audio).subarray(0, 3200));
        await once(socket, 'message');
        await eventually('the receiver refused the first', () => receiver.refused > 0);
        await server.kill();
        receiver.isAway = false;
        server = await TestServer.start({ dataDir, env });
        await eventually('both are delivered', () => receiver.bodies.length >= 2);
        assert.deepEqual(receiver.bodies.map((body) => (JSON.parse(body) as { event: string }).event), ['live.start_session', 'live.start_recording']);
        assert.deepEqual([receiver.ids[0] === receiver.ids[receiver.refused], new Set(receiver.ids).size], [true, 2]);
      } finally {
        receiver.close();
      }
    }),
  );
});
