import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { proving } from '../compatibility/proving.ts';
import { API, TestServer } from './server.ts';
import { eventually, within } from './eventually.ts';
import { tellStory } from './spoken.ts';
import { samplesOf } from './wav.ts';

interface Message {
  readonly type: string;
  readonly [field: string]: unknown;
}

const PATIENCE_MS = 90_000;
const START = { type: 'start', language: 'en', diarize: false, sample_rate: 16_000, channels: 1 };
/** What a ScriptProcessor of 4096 samples hands out at a time. */
const BROWSER_BYTES = 8192;

/** A client as the vendor's is used: an emitter with a promise of `ready`, and a list of what came. */
class Stream extends EventEmitter {
  readonly messages: Message[] = [];
  readonly ready: Promise<Message>;
  readonly ended: Promise<number>;
  readonly #socket: WebSocket;

  constructor(server: TestServer, query = `?api_key=${server.apiKey}`, start: object = START) {
    super();
    this.#socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/transcription/stream${query}`);
    this.ready = once(this, 'ready').then(([message]) => message as Message);
    this.ready.catch(() => undefined);
    this.ended = once(this.#socket, 'close').then(([code]) => code as number);
    this.#socket.on('open', () => {
      this.#socket.send(JSON.stringify(start));
    });
    this.#socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Message;
      this.messages.push(message);
      this.emit(message.type === 'error' ? 'fault' : message.type, message);
    });
  }

  async opened(): Promise<this> {
    await once(this.#socket, 'open');
    return this;
  }

  sendAudio(samples: Uint8Array): void {
    this.#socket.send(samples);
  }

  end(): void {
    this.#socket.send(JSON.stringify({ type: 'end' }));
  }

  drop(): void {
    this.#socket.terminate();
  }

  last(type: string): Message {
    return this.messages.findLast((message) => message.type === type) ?? assert.fail(`no ${type} in ${JSON.stringify(this.messages)}`);
  }
}

function send(stream: Stream, samples: Uint8Array, chunkBytes: number): void {
  for (let offset = 0; offset < samples.length; offset += chunkBytes) stream.sendAudio(samples.subarray(offset, offset + chunkBytes));
}

const textOf = (stream: Stream): string =>
  stream.messages
    .filter(({ type }) => type === 'final')
    .map(({ text }) => text as string)
    .join(' ');

describe('clients of AudioPod', () => {
  let server: TestServer;
  let samples: Uint8Array;

  const rest = (path: string, init: RequestInit = {}): Promise<Response> => fetch(`${server.url}/api/v1/${path}`, { ...init, headers: { 'x-api-key': server.apiKey, ...(init.headers as Readonly<Record<string, string>> | undefined) } });
  const budget = async (seconds: number): Promise<void> => {
    const policy = { budget: { seconds, period: 'month' } };
    const answer = await fetch(`${server.url}${API}/tenant-policy`, { method: 'PUT', headers: { authorization: `Bearer ${server.apiKey}`, 'content-type': 'application/json' }, body: JSON.stringify(policy) });
    assert.equal(answer.status, 200, await answer.text());
  };

  before(async () => {
    server = await TestServer.start();
    samples = samplesOf(await readFile(await tellStory()));
  });
  after(() => server.stop());

  it(
    'a client that awaits ready, with the buffers of a browser, has its session as a job',
    proving('audiopod', ['live: `start`, audio of any piece size, `end`', 'live: `ready`, `partial`, `final`, `usage`, `completed`', 'live: words with times and confidences', 'a session is a job, by an integer'], async () => {
      const stream = new Stream(server, `?api_key=ap_${server.apiKey}`);
      const { job_id: id, taste, max_duration_seconds: longest } = await within('ready', stream.ready, PATIENCE_MS);
      assert.ok(Number.isInteger(id) && Number(id) > 0);
      assert.deepEqual([taste, longest], [false, 10_800]);
      assert.equal(((await (await rest(`transcription/jobs/${String(id)}`)).json()) as Message)['status'], 'PROCESSING');
      send(stream, samples, BROWSER_BYTES);
      stream.end();
      assert.equal(await within('the end', stream.ended, PATIENCE_MS), 1000);
      const seconds = samples.length / 32_000;
      const completed = stream.last('completed');
      assert.deepEqual([stream.messages[0]?.type, stream.messages.at(-1)?.type], ['ready', 'completed']);
      assert.deepEqual([completed['job_id'], completed['credits_used']], [id, Math.ceil((seconds / 60) * 220)]);
      assert.ok(stream.messages.some(({ type }) => type === 'partial') && stream.messages.some(({ type }) => type === 'usage'));
      const job = (await (await rest(`transcription/jobs/${String(id)}`)).json()) as Message;
      assert.deepEqual([job['status'], job['id'], job['job_id'], job['display_name']], ['COMPLETED', id, id, 'Live session']);
      const text = await (await rest(`transcription/jobs/${String(id)}/transcript?format=txt`)).text();
      assert.equal(text.replaceAll(/\s+/g, ' ').trim(), textOf(stream));
      const byPath = (await (await fetch(`${server.url}${String(completed['transcript_path'])}`)).json()) as { segments: { text: string }[] };
      assert.equal(byPath.segments.map((segment) => segment.text).join(' '), textOf(stream));
    }),
  );

  it(
    'a client that does not await ready loses nothing of what it sends at once',
    proving('audiopod', ['live: audio before `ready` is kept, after `end` ignored'], async () => {
      const stream = await new Stream(server).opened();
      send(stream, samples, 3201);
      stream.end();
      assert.equal(await within('the end', stream.ended, PATIENCE_MS), 1000);
      assert.equal(stream.last('completed')['streamed_seconds'], Math.round(samples.length / 32) / 1000);
      assert.ok(textOf(stream).length > 20);
    }),
  );

  it(
    'a session that reaches its longest duration is finished and saved',
    proving('audiopod', ['live: `max_duration_seconds`, `MAX_DURATION_REACHED`'], async () => {
      const stream = new Stream(server, undefined, { ...START, max_duration_seconds: 3 });
      assert.equal((await within('ready', stream.ready, PATIENCE_MS))['max_duration_seconds'], 3);
      send(stream, samples, BROWSER_BYTES);
      await within('the end', stream.ended, PATIENCE_MS);
      assert.deepEqual(stream.messages.slice(-2).map(({ type, code }) => code ?? type), ['MAX_DURATION_REACHED', 'completed']);
      const completed = stream.last('completed');
      assert.deepEqual([completed['streamed_seconds'], completed['credits_used']], [3, 11]);
      const job = (await (await rest(`transcription/jobs/${String(completed['job_id'])}`)).json()) as Message;
      assert.deepEqual([job['status'], job['total_duration']], ['COMPLETED', 3]);
    }),
  );

  it(
    'a client that is gone without an end has what it said all the same',
    proving('audiopod', ['live: a client that is lost has what it said'], async () => {
      const stream = new Stream(server);
      const { job_id: id } = await within('ready', stream.ready, PATIENCE_MS);
      send(stream, samples, BROWSER_BYTES);
      await within('something was heard', once(stream, 'final'), PATIENCE_MS);
      stream.drop();
      const job = async (): Promise<Message> => (await (await rest(`transcription/jobs/${String(id)}`)).json()) as Message;
      await eventually('the session is saved', async () => (await job())['status'] === 'COMPLETED', { timeoutMs: PATIENCE_MS });
    }),
  );

  it(
    'a budget is what a session may last, and where it is used up there is none',
    proving('audiopod', ['credits: 220 a minute, reserved and settled'], async () => {
      const balance = async (): Promise<Message> => (await (await rest('api-wallet/balance')).json()) as Message;
      const { used_credits: none, unlimited } = await balance();
      assert.deepEqual([none, unlimited], [null, true]);
      const spent = await eventually('what was heard is counted', async () => {
        const { logs } = (await (await rest('api-wallet/usage')).json()) as { logs: { duration_minutes: number }[] };
        return (logs[0]?.duration_minutes ?? 0) * 60 > (2 * samples.length) / 32_000 ? (logs[0]?.duration_minutes ?? 0) * 60 : undefined;
      });
      await budget(Math.ceil(spent) + 2);
      const stream = new Stream(server);
      const longest = Number((await within('ready', stream.ready, PATIENCE_MS))['max_duration_seconds']);
      assert.ok(longest === 2 || longest === 1, String(longest));
      send(stream, samples, BROWSER_BYTES);
      await within('the end', stream.ended, PATIENCE_MS);
      assert.deepEqual(stream.messages.slice(-2).map(({ type, code }) => code ?? type), ['MAX_DURATION_REACHED', 'completed']);
      assert.equal(stream.last('completed')['streamed_seconds'], longest);
      await budget(Math.floor(spent));
      const refused = new Stream(server);
      assert.equal(await within('the end', refused.ended, PATIENCE_MS), 1008);
      assert.deepEqual(refused.messages.map(({ code }) => code), ['INSUFFICIENT_CREDITS']);
      assert.equal((await rest('transcription/transcribe', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ source_urls: ['https://example.com/a.wav'] }) })).status, 402);
    }),
  );

  it(
    'a wrong key is refused before the upgrade, in the vendor’s shape',
    proving('audiopod', ['key by `api_key`, `X-API-Key`, Bearer; `ap_` before it'], async () => {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/transcription/stream?api_key=ap_wrong`);
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode?: number }];
      assert.equal(response.statusCode, 401);
      const answer = await rest('transcription/jobs', { headers: { 'x-api-key': 'ap_wrong' } });
      assert.equal(answer.status, 401);
      assert.equal(typeof ((await answer.json()) as Message)['detail'], 'string');
    }),
  );
});
