import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
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
});
