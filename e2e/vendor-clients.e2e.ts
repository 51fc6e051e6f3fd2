import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { DeepgramClient } from '@deepgram/sdk';
import { WebSocket } from 'ws';
import { proving } from '../compatibility/proving.ts';
import { transcribed } from './clients/rest.ts';
import { eventually, within } from './eventually.ts';
import { completionOf, type Question } from './language-model.ts';
import { TestServer } from './server.ts';
import { tellStory } from './spoken.ts';
import { samplesOf } from './wav.ts';

const PATIENCE_MS = 90_000;
/** A tenth of a second. */
const CHUNK_BYTES = 3200;
const SAMPLE_RATE_HZ = 16_000;

interface TimedWord {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

interface Results {
  readonly type: string;
  readonly start: number;
  readonly duration: number;
  readonly is_final: boolean;
  readonly speech_final: boolean;
  readonly from_finalize: boolean;
  readonly channel: { readonly alternatives: readonly { readonly transcript: string; readonly words: readonly TimedWord[] }[] };
}

/** `word start end`, to be compared. */
const spelled = (words: readonly TimedWord[]): readonly string[] => words.map(({ word, start, end }) => `${word.toLowerCase()} ${String(start)} ${String(end)}`);

let server: TestServer;
let storyPath: string;
let file: Buffer;
/** What the native API hears in the story. */
let expected: readonly string[];
let spokenText: string;
let remote: Server;
let remoteUrl: string;
const told = new Map<string | undefined, unknown>();

before(async () => {
  storyPath = await tellStory();
  file = await readFile(storyPath);
  remote = createServer((request, response) => {
    if (request.method === 'GET') {
      response.end(file);
      return;
    }
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      if (request.url === '/v1/chat/completions') response.setHeader('content-type', 'application/json').end(completionOf(JSON.parse(body) as Question));
      else response.end(void told.set(request.url, JSON.parse(body)));
    });
  });
  await new Promise<void>((resolve) => remote.listen(0, '127.0.0.1', resolve));
  remoteUrl = `http://127.0.0.1:${String((remote.address() as AddressInfo).port)}`;
  server = await TestServer.start({
    env: { EARSHOT_OUTBOUND_NETWORKS: '127.0.0.1', EARSHOT_LANGUAGE_MODEL_URL: `${remoteUrl}/v1`, EARSHOT_LANGUAGE_MODEL: 'tiny', EARSHOT_LANGUAGE_MODEL_BACKEND: 'A' },
  });
  const { segments, transcript } = await transcribed(server, file);
  spokenText = transcript;
  expected = spelled(segments.flatMap(({ words }) => words.map(({ text, start, end }) => ({ word: text, start, end }))));
});
after(async () => {
  remote.close();
  await server.stop();
});

describe('Deepgram’s own client', () => {
  const client = (): DeepgramClient => new DeepgramClient({ apiKey: server.apiKey, baseUrl: server.url });

  it(
    'hears a live stream: speech, interims, finals, ends of utterances, metadata, and a normal close',
    proving('deepgram', ['live: `interim_results`', 'live: `endpointing`', 'live: `vad_events`, `SpeechStarted`', 'live: `utterance_end_ms`, `UtteranceEnd`', 'live: `KeepAlive`', 'live: `CloseStream`, empty frame, `Metadata`', 'live: `speech_final`, windows without holes', 'live: close codes 1000, 1008, 1011', '`tag`, `extra`'], async () => {
      const socket = await client().listen.v1.connect({
        Authorization: `Token ${server.apiKey}`,
        model: 'nova-3',
        encoding: 'linear16',
        sample_rate: SAMPLE_RATE_HZ,
        interim_results: 'true',
        vad_events: 'true',
        endpointing: 700,
        utterance_end_ms: 1000,
        tag: 'e2e',
      });
      const messages: Record<string, unknown>[] = [];
      const closed = Promise.withResolvers<number>();
      socket.on('message', (message) => messages.push(message as unknown as Record<string, unknown>));
      socket.on('close', (event) => {
        closed.resolve(event.code);
      });
      socket.connect();
      await socket.waitForOpen();
      socket.sendKeepAlive({ type: 'KeepAlive' });
      const audio = samplesOf(file);
      for (let offset = 0; offset < audio.length; offset += CHUNK_BYTES) socket.sendMedia(audio.subarray(offset, offset + CHUNK_BYTES));
      socket.sendCloseStream({ type: 'CloseStream' });
      assert.equal(await within('the stream ends', closed.promise, PATIENCE_MS), 1000);
      const results = messages.filter(({ type }) => type === 'Results') as unknown as Results[];
      const finals = results.filter((each) => each.is_final);
      assert.deepEqual(spelled(finals.flatMap((each) => each.channel.alternatives[0]?.words ?? [])), expected);
      assert.ok(results.some((each) => !each.is_final), 'interims');
      assert.ok(finals.some((each) => each.speech_final));
      // Finals follow each other without holes: each begins where the one before it ends.
      for (const [index, each] of finals.entries()) {
        const before = finals[index - 1];
        assert.ok(Math.abs(each.start - (before ? before.start + before.duration : 0)) < 0.002);
      }
      const count = (type: string): number => messages.filter((message) => message['type'] === type).length;
      assert.ok(count('SpeechStarted') >= 3);
      assert.ok(count('UtteranceEnd') >= 2);
      assert.equal(count('Metadata'), 1);
      assert.equal(messages.at(-1)?.['type'], 'Metadata');
      assert.deepEqual(messages.at(-1)?.['tags'], ['e2e']);
    }),
  );

  it(
    'gets an answer to each Finalize, with all that was said before it',
    proving('deepgram', ['live: `Finalize`'], async () => {
      const socket = await client().listen.v1.connect({ Authorization: `Token ${server.apiKey}`, model: 'nova-3', encoding: 'linear16', sample_rate: SAMPLE_RATE_HZ, endpointing: 'false' });
      const results: Results[] = [];
      const closed = Promise.withResolvers<number>();
      socket.on('message', (message) => {
        if (message.type === 'Results') results.push(message as unknown as Results);
      });
      socket.on('close', (event) => {
        closed.resolve(event.code);
      });
      socket.connect();
      await socket.waitForOpen();
      const audio = samplesOf(file);
      for (let offset = 0; offset < audio.length; offset += CHUNK_BYTES) socket.sendMedia(audio.subarray(offset, offset + CHUNK_BYTES));
      socket.sendFinalize({ type: 'Finalize' });
      socket.sendFinalize({ type: 'Finalize' });
      await eventually('both are answered', () => results.filter((each) => each.from_finalize).length === 2, { timeoutMs: PATIENCE_MS });
      const text = results.map((each) => each.channel.alternatives[0]?.transcript ?? '').join(' ').trim();
      assert.equal(text, spokenText);
      socket.sendCloseStream({ type: 'CloseStream' });
      assert.equal(await within('the stream ends', closed.promise, PATIENCE_MS), 1000);
    }),
  );

  it(
    'transcribes a file, an address, and for a callback',
    proving('deepgram', ['recorded: bytes and addresses', 'recorded: `utterances`, `utt_split`, `paragraphs`, `detect_language`', 'recorded: `callback`', '`smart_format`, `numerals`', '`model`, `version`'], async () => {
      const { media } = client().listen.v1;
      const answer = await media.transcribeFile(createReadStream(storyPath), { model: 'nova-3', utterances: true, smart_format: true });
      assert.ok('results' in answer);
      const [best] = answer.results.channels[0]?.alternatives ?? [];
      assert.deepEqual(spelled((best?.words ?? []) as TimedWord[]), expected);
      assert.equal(answer.results.utterances?.length, 3);
      assert.ok((best?.paragraphs?.paragraphs?.length ?? 0) > 0);
  
      const linked = await media.transcribeUrl({ url: `${remoteUrl}/story.wav`, model: 'nova-3' });
      assert.ok('results' in linked);
      assert.equal(linked.results.channels[0]?.alternatives?.[0]?.transcript, spokenText);
  
      const later = await media.transcribeFile(createReadStream(storyPath), { model: 'nova-3', callback: `${remoteUrl}/deepgram` });
      assert.ok('request_id' in later);
      await eventually('the callback comes', () => told.has('/deepgram'), { timeoutMs: PATIENCE_MS });
      const { metadata, results } = told.get('/deepgram') as { metadata: { request_id: string }; results: { channels: { alternatives: { transcript: string }[] }[] } };
      assert.deepEqual([metadata.request_id, results.channels[0]?.alternatives[0]?.transcript], [later.request_id, spokenText]);
    }),
  );

  it(
    'is told what a language model finds',
    proving('deepgram', ['recorded: `summarize`, `topics`, `intents`, `sentiment`, `detect_entities`'], async () => {
      const answer = await client().listen.v1.media.transcribeFile(createReadStream(storyPath), { model: 'nova-3', summarize: 'v2', topics: true, intents: true, sentiment: true, detect_entities: true });
      assert.ok('results' in answer);
      const { summary, sentiments, channels, ...rest } = answer.results;
      // The package's types have the lists one level deeper than the vendor's answers.
      const { topics, intents } = rest as unknown as Record<'topics' | 'intents', { segments: { text: string; start_word: number; end_word: number; topics?: object[]; intents?: object[] }[] }>;
      assert.deepEqual(summary, { result: 'success', short: 'A short summary.' });
      assert.deepEqual(sentiments?.average, { sentiment: 'positive', sentiment_score: 1 });
      const words = (channels[0]?.alternatives?.[0]?.words ?? []).map(({ word }) => word);
      for (const segments of [topics.segments, intents.segments]) assert.deepEqual(segments.map((each) => words.slice(each.start_word, each.end_word + 1).join(' ')), segments.map(({ text }) => text));
      assert.deepEqual([topics.segments[0]?.topics, intents.segments[0]?.intents], [[{ topic: 'The weather', confidence_score: 0 }], [{ intent: 'Tell a story', confidence_score: 0 }]]);
      assert.deepEqual(channels[0]?.alternatives?.[0]?.entities?.[0], { label: 'THING', value: words[0], confidence: 0, start_word: 0, end_word: 0 });
    }),
  );

  it(
    'works with a granted token, and is told what is wrong',
    proving('deepgram', ['token grants'], async () => {
      const { access_token: accessToken, expires_in: seconds } = await client().auth.v1.tokens.grant({ ttl_seconds: 60 });
      assert.equal(seconds, 60);
      const answer = await new DeepgramClient({ accessToken, baseUrl: server.url }).listen.v1.media.transcribeFile(createReadStream(storyPath), { model: 'nova-3' });
      assert.ok('results' in answer);
      await assert.rejects(client().listen.v1.media.transcribeFile(createReadStream(storyPath), { model: 'nova-3', search: 'river' }), (error: { statusCode?: number; body?: { err_code?: string } }) => {
        assert.deepEqual([error.statusCode, error.body?.err_code], [400, 'INVALID_QUERY_PARAMETER']);
        return true;
      });
    }),
  );
});

interface Transcription {
  readonly type: string;
  readonly transcript: string;
  readonly transcription: string;
  readonly is_final: boolean;
  readonly is_last: boolean;
  readonly from_finalize?: boolean;
  readonly words?: readonly TimedWord[];
}

/** By the steps of the vendor's published samples: an address with everything in it, a key in the header, bytes, control messages. */
async function pulse(query: string): Promise<{ readonly socket: WebSocket; readonly messages: Transcription[] }> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/waves/v1/stt/live?model=pulse&language=en&sample_rate=16000&encoding=linear16${query}`, {
    headers: { authorization: `Bearer ${server.apiKey}` },
  });
  const messages: Transcription[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as Transcription));
  await once(socket, 'open');
  return { socket, messages };
}

describe('clients of Pulse', () => {
  const FRAME_BYTES = 4096;

  it(
    'single shot: all audio, close_stream, finals until the last',
    proving('pulse', ['`close_stream`, `end`, `END`', 'partials and finals, both names of the text', '`word_timestamps`, `sentence_timestamps`'], async () => {
      const { socket, messages } = await pulse('&word_timestamps=true&eou_timeout_ms=700');
      const audio = samplesOf(file);
      for (let offset = 0; offset < audio.length; offset += FRAME_BYTES) socket.send(audio.subarray(offset, offset + FRAME_BYTES));
      socket.send(JSON.stringify({ type: 'close_stream' }));
      const [code] = (await within('the socket closes', once(socket, 'close'), PATIENCE_MS)) as [number];
      assert.equal(code, 1000);
      const finals = messages.filter((message) => message.is_final);
      assert.deepEqual(spelled(finals.flatMap(({ words }) => words ?? [])), expected);
      assert.equal(finals.map(({ transcript }) => transcript).filter((text) => text !== '').join(' '), spokenText);
      assert.deepEqual(messages.map((message) => message.is_last).lastIndexOf(true), messages.length - 1);
      assert.equal(messages.filter((message) => message.is_last).length, 1);
      assert.ok(messages.every((message) => message.type === 'transcription' && message.transcript === message.transcription));
    }),
  );

  it(
    'a voice agent: a turn for each finalize on one socket, whose microphone stays open',
    proving('pulse', ['`finalize`', '`itn_normalize`, `numerals`'], async () => {
      const { socket, messages } = await pulse('&itn_normalize=true&finalize_on_words=false&eou_timeout_ms=10000');
      const audio = samplesOf(file);
      const turns = 3;
      const turnBytes = Math.ceil(audio.length / turns / 2) * 2;
      const answers = (): Transcription[] => messages.filter((message) => message.from_finalize === true);
      for (let turn = 0; turn < turns; turn += 1) {
        const said = audio.subarray(turn * turnBytes, (turn + 1) * turnBytes);
        for (let offset = 0; offset < said.length; offset += FRAME_BYTES) socket.send(said.subarray(offset, offset + FRAME_BYTES));
        socket.send(JSON.stringify({ type: 'finalize' }));
        await eventually('the turn is answered', () => answers().length === turn + 1, { timeoutMs: PATIENCE_MS });
        assert.ok((answers().at(-1)?.transcript.length ?? 0) > 10);
        assert.equal(socket.readyState, WebSocket.OPEN);
      }
      socket.send(JSON.stringify({ type: 'close_stream' }));
      const [code] = (await within('the socket closes', once(socket, 'close'), PATIENCE_MS)) as [number];
      assert.equal(code, 1000);
      assert.deepEqual([answers().length, messages.at(-1)?.is_last, messages.at(-1)?.transcript], [turns, true, '']);
    }),
  );

  it(
    'a file is answered with the same words, and a webhook is told',
    proving('pulse', ['files: bytes and addresses', 'files: `webhook_url`, `webhook_extra`'], async () => {
      const post = async (query: string): Promise<Record<string, unknown>> => {
        const answer = await fetch(`${server.url}/waves/v1/stt/?model=pulse&word_timestamps=true${query}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${server.apiKey}`, 'content-type': 'application/octet-stream' },
          body: Uint8Array.from(file),
        });
        assert.equal(answer.status, 200);
        return (await answer.json()) as Record<string, unknown>;
      };
      const answer = await post('');
      assert.deepEqual(spelled(answer['words'] as TimedWord[]), expected);
      assert.equal(answer['transcription'], spokenText);
      const later = await post(`&webhook_url=${encodeURIComponent(`${remoteUrl}/pulse`)}`);
      await eventually('the webhook is told', () => told.has('/pulse'), { timeoutMs: PATIENCE_MS });
      const result = told.get('/pulse') as Record<string, unknown>;
      assert.deepEqual([result['request_id'], result['transcription']], [later['request_id'], spokenText]);
    }),
  );
});
