import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { json as jsonOf } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { proving } from '../../../compatibility/proving.ts';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { OPERATOR } from '../../tenancy/testing/tenancy.ts';
import { startRemote } from '../testing/remote.ts';
import { BASE, KEY, startServer } from '../testing/server.ts';

interface Word {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

interface Answer {
  readonly metadata: { readonly request_id: string; readonly sha256: string; readonly duration: number; readonly channels: number; readonly tags?: string[]; readonly extra?: object };
  readonly results: {
    readonly channels: { readonly detected_language?: string; readonly alternatives: { readonly transcript: string; readonly words: Word[]; readonly paragraphs?: { readonly transcript: string; readonly paragraphs: unknown[] } }[] }[];
    readonly utterances?: { readonly transcript: string; readonly start: number; readonly end: number; readonly id: string; readonly channel: number }[];
  };
}

const SPEECH = bytesOf(joined(quiet(500), loud(1000), quiet(1000), loud(500)));
const SHA256 = createHash('sha256').update(SPEECH).digest('hex');
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const MAX_UPLOAD_BYTES = 1024 * 1024;
const server = await startServer({ maxUploadBytes: MAX_UPLOAD_BYTES });
const remote = await startRemote(SPEECH);
after(async () => {
  remote.close();
  await server.close();
});

const listen = (query: string, body: NonNullable<RequestInit['body']> | null, headers: Record<string, string> = { 'content-type': 'audio/wav' }): Promise<Response> =>
  fetch(`${server.url}/v1/listen?${query}`, { method: 'POST', body, headers: { authorization: `Token ${KEY}`, ...headers } });
const json = (value: object): [string, Record<string, string>] => [JSON.stringify(value), { 'content-type': 'application/json' }];

async function refused(answer: Response | Promise<Response>): Promise<[number, string]> {
  const response = await answer;
  const body = (await response.json()) as { err_code: string; err_msg: string; request_id: string };
  assert.equal(response.headers.get('dg-request-id'), body.request_id);
  assert.match(body.request_id, UUID);
  assert.ok(body.err_msg.length > 5);
  return [response.status, body.err_code];
}

test(
  'a recording is answered with words, utterances and paragraphs',
  proving('deepgram', ['recorded: bytes and addresses', 'recorded: `utterances`, `utt_split`, `paragraphs`, `detect_language`', '`punctuate`', '`tag`, `extra`'], async () => {
    const answer = await listen('model=nova-3&utterances=true&paragraphs=true&punctuate=true&detect_language=true&tag=a&extra=call:7', SPEECH);
    assert.equal(answer.status, 200);
    const { metadata, results } = (await answer.json()) as Answer;
    assert.match(metadata.request_id, UUID);
    assert.deepEqual([metadata.sha256, metadata.duration, metadata.channels, metadata.tags, metadata.extra], [SHA256, 3, 1, ['a'], { call: '7' }]);
    const [channel = assert.fail()] = results.channels;
    assert.equal(channel.detected_language, 'en');
    const [best = assert.fail()] = channel.alternatives;
    assert.equal(best.transcript, 'w1 w2 w5');
    assert.deepEqual(best.words[0], { word: 'w1', start: 0.5, end: 1, confidence: 0.9, punctuated_word: 'w1' });
    assert.deepEqual(results.utterances?.map(({ transcript, start, end, channel: lane }) => [transcript, start, end, lane]), [['w1 w2', 0.5, 1.5, 0], ['w5', 2.5, 3, 0]]);
    assert.equal(new Set(results.utterances.map(({ id }) => id)).size, 2);
    assert.ok(results.utterances.every(({ id }) => UUID.test(id)));
    assert.equal(best.paragraphs?.transcript, '\nw1 w2 w5');
    assert.deepEqual(best.paragraphs.paragraphs, [
      { sentences: [{ text: 'w1 w2', start: 0.5, end: 1.5 }, { text: 'w5', start: 2.5, end: 3 }], num_words: 3, start: 0.5, end: 3 },
    ]);
  }),
);

test(
  'utterances are as far apart as is asked',
  proving('deepgram', ['recorded: `utterances`, `utt_split`, `paragraphs`, `detect_language`'], async () => {
    const { results } = (await (await listen('utterances=true&utt_split=1.5', SPEECH)).json()) as Answer;
    assert.deepEqual(results.utterances?.map(({ transcript }) => transcript), ['w1 w2 w5']);
  }),
);

test(
  'a recording at an address is answered in the same response',
  proving('deepgram', ['recorded: bytes and addresses'], async () => {
    const { results, metadata } = (await (await listen('', ...json({ url: `${remote.url}/a.wav` }))).json()) as Answer;
    assert.deepEqual([results.channels[0]?.alternatives[0]?.transcript, metadata.sha256], ['w1 w2 w5', SHA256]);
  }),
);

test('what was recognized is kept as a job', async () => {
  await listen('', SPEECH);
  const { data } = (await (await fetch(`${server.url}${BASE}/transcribe/jobs?limit=1`)).json()) as { data: { jobs: { source: string; audio_bytes: number }[] } };
  assert.deepEqual([data.jobs[0]?.source, data.jobs[0]?.audio_bytes], ['http', SPEECH.length]);
});

test(
  'with a callback the answer is an id, and the result comes later in the same shape',
  proving('deepgram', ['recorded: `callback`'], async () => {
    for (const [path, body, headers] of [['upload', SPEECH, undefined], ['url', ...json({ url: `${remote.url}/a.wav` })]] as const) {
      const callback = encodeURIComponent(`${remote.url}/${path}`);
      const answer = await listen(`callback=${callback}&utterances=true&tag=${path}`, body, headers);
      const { request_id: id } = (await answer.json()) as { request_id: string };
      assert.deepEqual([answer.status, answer.headers.get('dg-request-id')], [200, id]);
      const { metadata, results } = (await remote.told(`/${path}`)) as Answer;
      assert.deepEqual([metadata.request_id, metadata.tags, metadata.sha256], [id, [path], path === 'upload' ? SHA256 : '']);
      assert.deepEqual(results.utterances?.map(({ transcript }) => transcript), ['w1 w2', 'w5']);
    }
  }),
);

test(
  'a callback is told of a failure too',
  proving('deepgram', ['recorded: `callback`'], async () => {
    const answer = await listen(`callback=${encodeURIComponent(`${remote.url}/bad`)}`, Buffer.from('BAD!'));
    const { request_id: id } = (await answer.json()) as { request_id: string };
    const told = (await remote.told('/bad')) as { err_code: string; request_id: string };
    assert.deepEqual([told.err_code, told.request_id], ['PAYLOAD_ERROR', id]);
  }),
);

test(
  'refusals have the vendor’s shape and codes',
  proving('deepgram', ['refusals: `dg-error`, `err_code`'], async () => {
    assert.deepEqual(await refused(listen('sample_rate=none', SPEECH)), [400, 'INVALID_QUERY_PARAMETER']);
    assert.deepEqual(await refused(listen('callback=http%3A%2F%2F10.0.0.1', SPEECH)), [400, 'INVALID_QUERY_PARAMETER']);
    assert.deepEqual(await refused(listen('callback_method=put', SPEECH)), [400, 'INVALID_QUERY_PARAMETER']);
    assert.deepEqual(await refused(listen('', 'BAD audio')), [400, 'PAYLOAD_ERROR']);
    assert.deepEqual(await refused(listen('', new Uint8Array(0))), [400, 'PAYLOAD_ERROR']);
    assert.deepEqual(await refused(listen('', null, {})), [400, 'PAYLOAD_ERROR']);
    assert.deepEqual(await refused(listen('', ...json({ uri: 'x' }))), [400, 'PAYLOAD_ERROR']);
    assert.deepEqual(await refused(listen('', '{"url"', { 'content-type': 'application/json' })), [400, 'Bad Request']);
    assert.deepEqual(await refused(listen('', new Uint8Array(MAX_UPLOAD_BYTES + 2))), [413, 'PAYLOAD_TOO_LARGE']);
    assert.deepEqual(await refused(listen('', SPEECH, { authorization: 'Token wrong' })), [401, 'INVALID_AUTH']);
    const { secret } = await server.tenancy.keys.create(OPERATOR, 'acme', { name: 'x', permissions: ['scaiecho:transcribe'], expiresAtMs: null, budget: null });
    assert.deepEqual(await refused(listen('diarize=true', SPEECH, { authorization: `Token ${secret}` })), [403, 'INSUFFICIENT_PERMISSIONS']);
    assert.deepEqual(await refused(listen(`diarize=true&callback=${encodeURIComponent(remote.url)}`, SPEECH, { authorization: `Token ${secret}` })), [403, 'INSUFFICIENT_PERMISSIONS']);
  }),
);

const ALL = 'summarize=v2&topics=true&custom_topic=Weather&custom_topic_mode=strict&intents=true&sentiment=true&detect_entities=true';

test(
  'what a language model finds is in the answer, with the places of its words, and in that of a callback',
  proving('deepgram', ['recorded: `summarize`, `topics`, `intents`, `sentiment`, `detect_entities`'], async () => {
    server.analyst.fault = undefined;
    const [first, last] = [{ text: 'w1 w2', start_word: 0, end_word: 1 }, { text: 'w5', start_word: 2, end_word: 2 }];
    const neutral = { sentiment: 'neutral', sentiment_score: 0 };
    const found = {
      summary: { result: 'success', short: 'concise of 2' },
      topics: { segments: [{ ...first, topics: [{ topic: 'Weather', confidence_score: 0 }] }] },
      intents: { segments: [{ ...last, intents: [{ intent: 'Intent', confidence_score: 0 }] }] },
      sentiments: { segments: [{ ...first, ...neutral }, { ...last, ...neutral }], average: neutral },
    };
    const entities = [{ label: 'PERSON', value: 'w1', confidence: 0, start_word: 0, end_word: 0 }, { label: 'PERSON', value: 'w5', confidence: 0, start_word: 2, end_word: 2 }];
    await listen(`${ALL}&callback=${encodeURIComponent(`${remote.url}/found`)}`, SPEECH);
    for (const { metadata, results } of [await (await listen(ALL, SPEECH)).json(), await remote.told('/found')] as { metadata: object; results: { channels: { alternatives: { entities: object[] }[] }[] } }[]) {
      const { channels, ...rest } = results;
      assert.deepEqual(rest, found);
      assert.deepEqual(channels[0]?.alternatives[0]?.entities, entities);
      assert.equal('warnings' in metadata, false);
    }
    assert.deepEqual(server.analyst.asked.at(-1)?.request.topics, { named: ['Weather'], onlyNamed: true });
  }),
);

test(
  'what a language model cannot find is refused, or empty and warned of: nothing is made up',
  proving('deepgram', ['recorded: `summarize`, `topics`, `intents`, `sentiment`, `detect_entities`'], async () => {
    server.analyst.fault = 'FEATURE_NOT_ENABLED';
    const refusal = (await (await listen('summarize=v2&sentiment=true', SPEECH)).json()) as { err_code: string; err_msg: string };
    assert.deepEqual([refusal.err_code, /summarize.*sentiment/.test(refusal.err_msg), refusal.err_msg.includes('topics')], ['INVALID_QUERY_PARAMETER', true, false]);
    for (const each of ALL.split('&').filter((part) => !part.startsWith('custom'))) assert.deepEqual(await refused(listen(each, SPEECH)), [400, 'INVALID_QUERY_PARAMETER'], each);
    assert.equal((await listen('summarize=false&sentiment=false&custom_intent=Refund', SPEECH)).status, 200);
    assert.deepEqual(await refused(listen('summarize=v9&custom_topic_mode=loose', SPEECH)), [400, 'INVALID_QUERY_PARAMETER']);
    server.analyst.fault = 'AUTHZ_PERMISSION_DENIED';
    assert.deepEqual(await refused(listen('topics=true', SPEECH)), [403, 'INSUFFICIENT_PERMISSIONS']);
    server.analyst.fault = 'BACKEND_TIMEOUT';
    const { metadata, results } = (await (await listen(ALL, SPEECH)).json()) as { metadata: { warnings: { parameter: string; type: string }[] }; results: Record<string, unknown> };
    assert.deepEqual([results['summary'], results['topics'], results['sentiments']], [{ result: 'failure', short: '' }, { segments: [] }, { segments: [] }]);
    assert.deepEqual(metadata.warnings.map(({ parameter, type }) => `${parameter} ${type}`), ['summarize', 'topics', 'intents', 'sentiment', 'detect_entities'].map((each) => `${each} backend_timeout`));
  }),
);

test(
  'live, entities are in each final; without a language model the stream is refused before it begins',
  proving('deepgram', ['live: `detect_entities`'], async () => {
    const knock = (): WebSocket => new WebSocket(`${server.url.replace('http', 'ws')}/v1/listen?encoding=linear16&sample_rate=16000&endpointing=500&detect_entities=true`, { headers: { authorization: `Token ${KEY}` } });
    for (const [fault, status, code] of [['FEATURE_NOT_ENABLED', 400, 'INVALID_QUERY_PARAMETER'], ['AUTHZ_PERMISSION_DENIED', 403, 'INSUFFICIENT_PERMISSIONS']] as const) {
      server.analyst.fault = fault;
      const [, response] = (await once(knock(), 'unexpected-response')) as [unknown, IncomingMessage];
      assert.deepEqual([response.statusCode, ((await jsonOf(response)) as { err_code: string }).err_code], [status, code]);
    }
    server.analyst.fault = undefined;
    const socket = knock();
    const entities: object[][] = [];
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { type: string; channel: { alternatives: { entities: object[] }[] } };
      if (message.type === 'Results') entities.push(message.channel.alternatives[0]?.entities ?? []);
    });
    await once(socket, 'open');
    socket.send(SPEECH);
    socket.send('{"type":"CloseStream"}');
    await once(socket, 'close');
    const person = (value: string): object => ({ label: 'PERSON', value, confidence: 0, start_word: 0, end_word: 0 });
    assert.deepEqual(entities, [[person('w1')], [person('w5')]]);
  }),
);

test(
  'a granted token opens what its key opens, for as long as was asked',
  proving('deepgram', ['token grants', 'key by Token, Bearer, subprotocol'], async () => {
    const grant = (secret: string, body: object): Promise<Response> =>
      fetch(`${server.url}/v1/auth/grant`, { method: 'POST', body: JSON.stringify(body), headers: { authorization: `Token ${secret}`, 'content-type': 'application/json' } });
    const { access_token: token, expires_in: seconds } = (await (await grant(KEY, { ttl_seconds: 60 })).json()) as { access_token: string; expires_in: number };
    assert.equal(seconds, 60);
    assert.equal((await listen('', SPEECH, { authorization: `Bearer ${token}` })).status, 200);
    assert.equal(((await (await grant(KEY, {})).json()) as { expires_in: number }).expires_in, 30);
    assert.deepEqual(await refused(grant(token, {})), [403, 'INSUFFICIENT_PERMISSIONS']);
    assert.deepEqual(await refused(grant(KEY, { ttl_seconds: 0 })), [400, 'INVALID_QUERY_PARAMETER']);
  }),
);
