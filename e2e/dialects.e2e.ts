import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { proving } from '../compatibility/proving.ts';
import { transcribed } from './clients/rest.ts';
import { eventually, within } from './eventually.ts';
import { TestServer } from './server.ts';
import { tellStory } from './spoken.ts';
import { samplesOf } from './wav.ts';

type Message = Record<string, unknown>;
/** `word start end`: what a dialect says of one word. */
type Heard = readonly string[];

const PATIENCE_MS = 90_000;
const CHUNK_BYTES = 8000;

interface TimedWord {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

const spelled = (words: readonly TimedWord[]): Heard => words.map(({ word, start, end }) => `${word.toLowerCase()} ${start} ${end}`);

/** How each dialect is asked for what the native API does by itself, and where its words are. */
interface Speaker {
  readonly name: string;
  readonly path: string | ((server: TestServer) => Promise<string>);
  readonly hello?: Message;
  readonly goodbye: Message;
  readonly words: (messages: readonly Message[]) => Heard;
}

const deepgramWords = (messages: readonly Message[]): Heard =>
  messages
    .filter((message) => message['type'] === 'Results' && message['is_final'] === true)
    .flatMap((message) => spelled((message['channel'] as { alternatives: { words: TimedWord[] }[] }).alternatives[0]?.words ?? []));

const gladiaWords = (utterances: readonly { readonly words: readonly TimedWord[] }[]): TimedWord[] =>
  utterances.flatMap(({ words }) => words.map(({ word, start, end }) => ({ word: word.trim(), start, end })));

const SPEAKERS: readonly Speaker[] = [
  {
    name: 'audiopod',
    path: '/api/v1/transcription/stream',
    hello: { type: 'start', language: 'en', diarize: false, sample_rate: 16_000, channels: 1 },
    goodbye: { type: 'end' },
    words: (messages) => messages.filter((message) => message['type'] === 'final').flatMap((message) => spelled(message['words'] as TimedWord[])),
  },
  { name: 'deepgram', path: '/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000&endpointing=700', goodbye: { type: 'CloseStream' }, words: deepgramWords },
  { name: 'deepgram with a container', path: '/v1/listen?model=nova-3&endpointing=700', goodbye: { type: 'CloseStream' }, words: deepgramWords },
  {
    name: 'gladia',
    path: async (server) => {
      const session = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ endpointing: 0.7, maximum_duration_without_endpointing: 30 }) };
      const { url } = await answerTo(server, '/v2/live', session, 201);
      const { pathname, search } = new URL(String(url));
      return pathname + search;
    },
    goodbye: { type: 'stop_recording' },
    words: (messages) => spelled(gladiaWords(messages.filter((message) => message['type'] === 'transcript').map((message) => (message['data'] as { utterance: { words: TimedWord[] } }).utterance))),
  },
  {
    name: 'pulse',
    path: '/waves/v1/stt/live?model=pulse&eou_timeout_ms=700&word_timestamps=true',
    goodbye: { type: 'close_stream' },
    words: (messages) => messages.filter((message) => message['is_final'] === true).flatMap((message) => spelled(message['words'] as TimedWord[])),
  },
  {
    name: 'pulse with a WAV header',
    path: '/waves/v1/stt/live?model=pulse&eou_timeout_ms=700&word_timestamps=true',
    goodbye: { type: 'close_stream' },
    words: (messages) => messages.filter((message) => message['is_final'] === true).flatMap((message) => spelled(message['words'] as TimedWord[])),
  },
  {
    name: 'vosk',
    path: '/vosk',
    hello: { config: { sample_rate: 16_000 } },
    goodbye: { eof: 1 },
    words: (messages) => messages.flatMap((message) => spelled((message['result'] as TimedWord[] | undefined) ?? [])),
  },
];

/** How each dialect takes a recording, and where its words are. */
interface Recorder {
  readonly name: string;
  readonly heard: (server: TestServer, file: Uint8Array) => Promise<readonly TimedWord[]>;
}

async function answerTo(server: TestServer, path: string, init: RequestInit, status = 200): Promise<Message> {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${server.apiKey}`);
  const answer = await fetch(server.url + path, { ...init, headers });
  assert.equal(answer.status, status, path);
  return (await answer.json()) as Message;
}

function formOf(part: string, file: Uint8Array, fields: Readonly<Record<string, string>> = {}): FormData {
  const form = new FormData();
  form.set(part, new Blob([Uint8Array.from(file)]), 'story.wav');
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  return form;
}

const bytes = (file: Uint8Array): RequestInit => ({ method: 'POST', headers: { 'content-type': 'audio/wav' }, body: Uint8Array.from(file) });

const RECORDED: readonly Recorder[] = [
  {
    name: 'audiopod',
    heard: async (server, file) => {
      const { job_id: id } = await answerTo(server, '/api/v1/transcription/transcribe-upload', { method: 'POST', body: formOf('files', file) });
      const job = `/api/v1/transcription/jobs/${String(id)}`;
      await eventually('the job is done', async () => (await answerTo(server, job, {}))['status'] === 'COMPLETED', { timeoutMs: PATIENCE_MS });
      const { segments } = (await answerTo(server, `${job}/transcript`, {})) as { segments: { words: TimedWord[] }[] };
      return segments.flatMap(({ words }) => words);
    },
  },
  {
    name: 'deepgram',
    heard: async (server, file) => {
      const { results } = (await answerTo(server, '/v1/listen?model=nova-3', bytes(file))) as { results: { channels: { alternatives: { words: TimedWord[] }[] }[] } };
      return results.channels[0]?.alternatives[0]?.words ?? [];
    },
  },
  {
    name: 'gladia',
    heard: async (server, file) => {
      const { audio_url } = await answerTo(server, '/v2/upload', { method: 'POST', body: formOf('audio', file) });
      const ordered = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ audio_url }) };
      const { id } = await answerTo(server, '/v2/pre-recorded', ordered, 201);
      const job = await eventually('the job is done', async () => {
        const answer = await answerTo(server, `/v2/pre-recorded/${String(id)}`, {});
        return answer['status'] === 'done' ? answer : undefined;
      }, { timeoutMs: PATIENCE_MS });
      return gladiaWords((job['result'] as { transcription: { utterances: { words: TimedWord[] }[] } }).transcription.utterances);
    },
  },
  {
    name: 'openai',
    heard: async (server, file) => {
      const body = formOf('file', file, { model: 'whisper-1', response_format: 'verbose_json', 'timestamp_granularities[]': 'word' });
      return (await answerTo(server, '/v1/audio/transcriptions', { method: 'POST', body }))['words'] as TimedWord[];
    },
  },
  { name: 'pulse', heard: async (server, file) => (await answerTo(server, '/waves/v1/stt/?model=pulse&word_timestamps=true', bytes(file)))['words'] as TimedWord[] },
];

describe('the same recording through all dialects', () => {
  let server: TestServer;
  let file: Uint8Array;
  let expected: Heard;

  before(async () => {
    server = await TestServer.start();
    file = await readFile(await tellStory());
    const { segments } = await transcribed(server, file);
    expected = spelled(segments.flatMap(({ words }) => words.map(({ text, start, end }) => ({ word: text, start, end }))));
  });
  after(() => server.stop());

  for (const speaker of SPEAKERS) {
    it(`gives the same words and times: ${speaker.name}`, proving('pulse', speaker.name === 'pulse with a WAV header' ? ['a leading WAV header'] : [], async () => {
      const address = typeof speaker.path === 'string' ? speaker.path : await speaker.path(server);
      const socket = new WebSocket(server.url.replace('http', 'ws') + address);
      const messages: Message[] = [];
      socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as Message));
      await once(socket, 'open');
      if (speaker.hello) socket.send(JSON.stringify(speaker.hello));
      const audio = /container|header/.test(speaker.name) ? file : samplesOf(file);
      for (let offset = 0; offset < audio.length; offset += CHUNK_BYTES) socket.send(audio.subarray(offset, offset + CHUNK_BYTES));
      socket.send(JSON.stringify(speaker.goodbye));
      const [code] = (await within(`${speaker.name} ends`, once(socket, 'close'), PATIENCE_MS)) as [number];
      assert.equal(code, 1000);
      assert.deepEqual(speaker.words(messages), expected);
    }));
  }

  for (const { name, heard } of RECORDED) {
    it(`gives the same words and times of a recording: ${name}`, async () => {
      assert.deepEqual(spelled(await heard(server, file)), expected);
    });
  }

  it(
    'a key is looked for where each vendor puts it, and a refusal has the vendor’s shape',
    proving('deepgram', ['key by Token, Bearer, subprotocol'], proving('pulse', ['key by Bearer, `token`, `api_key`', 'refusals before the upgrade'], async () => {
      const refused = async (path: string, options: object = {}): Promise<[number | undefined, Message]> => {
        const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, options);
        const [, response] = (await once(socket, 'unexpected-response')) as [unknown, AsyncIterable<Buffer> & { statusCode?: number }];
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk);
        return [response.statusCode, JSON.parse(Buffer.concat(chunks).toString()) as Message];
      };
      const [deepgramStatus, deepgram] = await refused('/v1/listen', { headers: { authorization: 'Token wrong' } });
      assert.deepEqual([deepgramStatus, deepgram['err_code']], [401, 'INVALID_AUTH']);
      const [pulseStatus, pulse] = await refused('/waves/v1/stt/live?model=pulse&api_key=wrong');
      assert.deepEqual([pulseStatus, typeof pulse['message']], [401, 'string']);
      const [missing] = await refused('/waves/v1/stt/live');
      assert.equal(missing, 400);
  
      const browser = new WebSocket(`${server.url.replace('http', 'ws')}/v1/listen`, ['token', server.apiKey], { headers: { origin: 'https://elsewhere.example' } });
      await once(browser, 'open');
      assert.equal(browser.protocol, 'token');
      browser.send(new Uint8Array(0));
      await once(browser, 'close');
    })),
  );
});
