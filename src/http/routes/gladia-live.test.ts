import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { after, beforeEach, test } from 'node:test';
import { proving } from '../../../compatibility/proving.ts';
import { WebSocket } from 'ws';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { KEY, startServer } from '../testing/server.ts';

interface Message {
  readonly type: string;
  readonly error?: { readonly message: string } | null;
  readonly data?: Readonly<Record<string, unknown>> | null;
}
interface Told {
  readonly id: string;
  readonly event: string;
  readonly payload: Message;
}

const TALK = bytesOf(joined(loud(1000), quiet(1000)));
const ADD_ONS = {
  endpointing: 0.7,
  realtime_processing: { translation: true, translation_config: { target_languages: ['fr', 'de'] }, named_entity_recognition: true, sentiment_analysis: true },
  post_processing: { summarization: true, summarization_config: { type: 'bullet_points' } },
  messages_config: { receive_lifecycle_events: true, receive_acknowledgments: false, receive_speech_events: false },
};

const server = await startServer();
const told: Told[] = [];
const receiver = createServer((request, response) => void json(request).then((body) => response.end(void told.push(body as Told))));
receiver.listen(0, '127.0.0.1');
await once(receiver, 'listening');
const hook = `http://127.0.0.1:${String((receiver.address() as AddressInfo).port)}/hook`;
after(async () => {
  receiver.close();
  await server.close();
});
beforeEach(() => {
  server.analyst.fault = undefined;
  server.analyst.gate = Promise.resolve();
  told.length = 0;
});

async function begun(init: object): Promise<{ readonly id: string; readonly url: string }> {
  const response = await fetch(`${server.url}/v2/live`, { method: 'POST', headers: { 'x-gladia-key': KEY, 'content-type': 'application/json' }, body: JSON.stringify(init) });
  assert.equal(response.status, 201);
  return (await response.json()) as { id: string; url: string };
}

async function connected(url: string): Promise<{ readonly socket: WebSocket; readonly messages: Message[] }> {
  const socket = new WebSocket(url);
  const messages: Message[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as Message));
  await once(socket, 'open');
  return { socket, messages };
}

/** Spoken to, and ended; all that came. */
async function spoken(init: object): Promise<{ readonly id: string; readonly messages: Message[] }> {
  const { id, url } = await begun(init);
  const { socket, messages } = await connected(url);
  socket.send(TALK);
  socket.send('{"type":"stop_recording"}');
  const [code] = (await once(socket, 'close')) as [number];
  assert.equal(code, 1000);
  return { id, messages };
}

const types = (messages: readonly Message[]): string[] => messages.map(({ type }) => type);
const resultOf = async (id: string): Promise<Record<string, Record<string, unknown>>> => {
  const response = await fetch(`${server.url}/v2/live/${id}`, { headers: { 'x-gladia-key': KEY } });
  return ((await response.json()) as { result: Record<string, Record<string, unknown>> }).result;
};

test(
  'add-ons follow their transcript, and everything is told before the end',
  proving('gladia', ['live: translation, named entities, sentiment, summary'], async () => {
    const { id, messages } = await spoken(ADD_ONS);
    assert.deepEqual(types(messages), [
      'start_session', 'start_recording', 'transcript', 'translation', 'translation', 'named_entity_recognition', 'sentiment_analysis',
      'end_recording', 'post_transcript', 'post_summarization', 'post_final_transcript', 'end_session',
    ]);
    const [transcript] = messages.filter(({ type }) => type === 'transcript');
    const [french, german, entities, sentiments] = messages.slice(3, 7).map(({ data }) => data);
    for (const data of [french, german, entities, sentiments]) assert.deepEqual([data?.['utterance_id'], data?.['utterance']], [transcript?.data?.['id'], transcript?.data?.['utterance']]);
    assert.deepEqual([french?.['target_language'], german?.['target_language'], (french?.['translated_utterance'] as { text: string }).text], ['fr', 'de', 'fr:w0 w1']);
    assert.deepEqual(entities?.['results'], [{ entity_type: 'PERSON', text: 'w0', start: 0, end: 0.5 }]);
    assert.deepEqual(sentiments?.['results'], [{ sentiment: 'neutral', emotion: 'neutral', text: 'w0 w1', start: 0, end: 1, channel: 0 }]);
    assert.deepEqual(messages.at(-3)?.data, { results: 'bullet_points of 1' });
    const final = messages.at(-2)?.data as Record<string, Record<string, unknown>>;
    assert.deepEqual(
      [final['translation']?.['success'], final['summarization']?.['results'], final['named_entity_recognition']?.['results']],
      [true, 'bullet_points of 1', entities['results']],
    );
    assert.deepEqual(JSON.parse(String(final['sentiment_analysis']?.['results'])), sentiments['results']);
    const kept = await resultOf(id);
    assert.deepEqual({ ...kept, metadata: null, messages: null }, { ...final, metadata: null, messages: null });
  }),
);

test(
  'without a language model they say so, and errors can be switched off',
  proving('gladia', ['live: translation, named entities, sentiment, summary'], async () => {
    server.analyst.fault = 'FEATURE_NOT_ENABLED';
    const failed = { error: { message: 'fake: FEATURE_NOT_ENABLED' }, data: null };
    const { messages } = await spoken(ADD_ONS);
    for (const message of messages.filter(({ type }) => /translation|entity|sentiment|summ/.test(type))) assert.deepEqual({ error: message.error, data: message.data }, failed);
    const { messages: quieter } = await spoken({ ...ADD_ONS, messages_config: { receive_errors: false, receive_acknowledgments: false, receive_speech_events: false } });
    assert.deepEqual(types(quieter), ['transcript', 'post_transcript', 'post_final_transcript']);
  }),
);

test('a session in which nobody spoke says that too', async () => {
  server.analyst.fault = 'FEATURE_NOT_ENABLED';
  const { url } = await begun(ADD_ONS);
  const { socket, messages } = await connected(url);
  socket.send('{"type":"stop_recording"}');
  await once(socket, 'close');
  const final = messages.find(({ type }) => type === 'post_final_transcript')?.data as Record<string, { success: boolean }>;
  assert.deepEqual([final['translation']?.success, final['summarization']?.success, final['named_entity_recognition']?.success, final['sentiment_analysis']?.success], [false, false, false, false]);
});

test('a client that loses its connection during post-processing has the rest on the next', async () => {
  const gate = Promise.withResolvers<void>();
  const { url } = await begun(ADD_ONS);
  const first = await connected(url);
  first.socket.send(TALK);
  await eventually(() => first.messages.some(({ type }) => type === 'sentiment_analysis'));
  server.analyst.gate = gate.promise;
  first.socket.send('{"type":"stop_recording"}');
  // The summary is awaited.
  await eventually(() => server.analyst.asked.at(-1)?.request.summary !== undefined);
  first.socket.terminate();
  const second = await connected(url);
  second.socket.terminate();
  const third = await connected(url);
  gate.resolve();
  const [code] = (await once(third.socket, 'close')) as [number];
  assert.equal(code, 1000);
  assert.deepEqual(types(third.messages).slice(-5), ['end_recording', 'post_transcript', 'post_summarization', 'post_final_transcript', 'end_session']);
});

test(
  'callbacks have every message that they are to have, in order, with the vendor’s events',
  proving('gladia', ['live: callbacks'], async () => {
    const { id, messages } = await spoken({ ...ADD_ONS, callback: true, callback_config: { url: hook } });
    await eventually(() => told.at(-1)?.event === 'live.end_session');
    assert.ok(told.every((each) => each.id === id && each.event === `live.${each.payload.type}`));
    assert.deepEqual(told.map(({ payload }) => payload), messages);
  }),
);

test(
  'each callback flag keeps its messages back, and each asks for its own',
  proving('gladia', ['live: callbacks'], async () => {
    const all = ['partial_transcripts', 'final_transcripts', 'speech_events', 'realtime_processing_events', 'post_processing_events', 'acknowledgments', 'errors', 'lifecycle_events'];
    const flags = (value: boolean): object => Object.fromEntries(all.map((name) => [`receive_${name}`, value]));
    const { messages } = await spoken({ ...ADD_ONS, messages_config: flags(false), callback: true, callback_config: { url: hook, ...flags(true) } });
    assert.deepEqual(messages, []);
    await eventually(() => told.at(-1)?.event === 'live.end_session');
    assert.deepEqual(
      [...new Set(told.map(({ event }) => event.slice('live.'.length)))].filter((type) => type !== 'transcript'),
      ['start_session', 'start_recording', 'stop_recording', 'speech_start', 'speech_end', 'translation', 'named_entity_recognition', 'sentiment_analysis', 'end_recording', 'post_transcript', 'post_summarization', 'post_final_transcript', 'end_session'],
    );
    told.length = 0;
    await spoken({ ...ADD_ONS, callback: true, callback_config: { url: hook, ...flags(false), receive_post_processing_events: true } });
    await eventually(() => told.length === 3);
    assert.deepEqual(told.map(({ event }) => event), ['live.post_transcript', 'live.post_summarization', 'live.post_final_transcript']);
  }),
);

test('a client that closes has its post-processing told to the callback alone', async () => {
  const { id, url } = await begun({ ...ADD_ONS, callback: true, callback_config: { url: hook } });
  const { socket } = await connected(url);
  socket.send(TALK);
  socket.close(1000);
  await eventually(() => told.at(-1)?.event === 'live.end_session');
  assert.ok(told.some(({ event }) => event === 'live.post_final_transcript'));
  assert.ok(told.every((each) => each.id === id));
});
