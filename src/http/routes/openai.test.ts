import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import OpenAI, { APIError } from 'openai';
import { proving } from '../../../compatibility/proving.ts';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { MemoryBlobs } from '../../speakers/testing/memory.ts';
import { OPERATOR } from '../../tenancy/testing/tenancy.ts';
import { KEY, startServer } from '../testing/server.ts';

const blobs = new MemoryBlobs();
const server = await startServer({ maxInlineBytes: 64 * 1024, services: { blobs } });
after(() => server.close());

const client = (baseURL = `${server.url}/v1`, apiKey = KEY): OpenAI => new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const openai = client();

/** Over the inline limit, so that it goes by the blob store. */
const SPEECH = bytesOf(joined(quiet(500), loud(1000), quiet(1000), loud(500)));
const speech = (bytes: Uint8Array = SPEECH): File => new File([Uint8Array.from(bytes)], 'meeting.wav');
const ask = { file: speech(), model: 'gpt-4o-transcribe' } as const;

/** What the client throws, as status, code and parameter. */
async function refused(asked: Promise<unknown>): Promise<readonly [status: unknown, type: unknown, code: unknown, param: unknown]> {
  const error = await asked.then(
    () => assert.fail('not refused'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof APIError, String(error));
  return [error.status, error.type, error.code, error.param];
}

test(
  'json has the text and what was heard of it',
  proving('openai', ['files: json, text, srt, vtt, verbose_json'], async () => {
    assert.deepEqual({ ...(await openai.audio.transcriptions.create(ask)) }, { text: 'w1 w2 w5', usage: { type: 'duration', seconds: 3 } });
    assert.equal((await openai.audio.transcriptions.create({ ...ask, file: speech(bytesOf(quiet(1000))) })).text, '');
  }),
);

test(
  'json tells how sure the engine is of each word, if it is asked',
  proving('openai', ['files: `include` logprobs'], async () => {
    const { text, logprobs } = await openai.audio.transcriptions.create({ ...ask, response_format: 'json', include: ['logprobs'] });
    assert.equal(logprobs?.map(({ token }) => token).join(''), text);
    assert.deepEqual(logprobs[1], { token: ' w2', logprob: -0.1054, bytes: [32, 119, 50] });
  }),
);

test(
  'text, srt and vtt are what they are everywhere',
  proving('openai', ['files: json, text, srt, vtt, verbose_json'], async () => {
    assert.equal(await openai.audio.transcriptions.create({ ...ask, response_format: 'text' }), 'w1 w2 w5\n');
    assert.match(await openai.audio.transcriptions.create({ ...ask, response_format: 'srt' }), /^1\n00:00:00,500 --> [^]*\nw1 w2\n\n2\n/);
    assert.match(await openai.audio.transcriptions.create({ ...ask, response_format: 'vtt' }), /^WEBVTT\n\n00:00:00\.500 --> /);
  }),
);

test(
  'verbose_json has segments, words, or both',
  proving('openai', ['files: `timestamp_granularities`'], async () => {
    const verbose = (...granularities: ('word' | 'segment')[]) =>
      openai.audio.transcriptions.create({ ...ask, response_format: 'verbose_json', ...(granularities.length > 0 && { timestamp_granularities: granularities }) });
    const { segments, words, ...rest } = await verbose('word', 'segment');
    assert.deepEqual(rest, { task: 'transcribe', language: 'english', duration: 3, text: 'w1 w2 w5', usage: { type: 'duration', seconds: 3 } });
    assert.deepEqual(words?.[0], { word: 'w1', start: 0.5, end: 1 });
    assert.deepEqual(segments?.map(({ id, start, text, seek, avg_logprob }) => [id, start, text, seek, avg_logprob]), [[0, 0.5, ' w1 w2', 50, -0.1054], [1, 2.5, ' w5', 250, -0.1054]]);
    const words_ = await verbose('word');
    assert.deepEqual([words_.words?.length, words_.segments], [3, undefined]);
    const plain = await verbose();
    assert.deepEqual([plain.words, plain.segments?.length], [undefined, 2]);
  }),
);

test(
  'a streamed answer only ever adds text, and its pieces are the text of the end',
  proving('openai', ['files: `stream`'], async () => {
    const events = [];
    for await (const event of await openai.audio.transcriptions.create({ ...ask, stream: true })) events.push(event);
    const deltas = events.flatMap((event) => (event.type === 'transcript.text.delta' ? event.delta : []));
    assert.deepEqual(deltas, ['w1 w2', ' w5']);
    assert.deepEqual(events.at(-1), { type: 'transcript.text.done', text: 'w1 w2 w5' });
    const whole = await openai.audio.transcriptions.create({ ...ask, model: 'whisper-1' });
    assert.equal(whole.text, 'w1 w2 w5');
    const plain = await fetch(`${server.url}/v1/audio/transcriptions`, { method: 'POST', body: form(['model', 'x'], ['stream', 'true']), headers: { authorization: `Bearer ${KEY}` } });
    assert.match(plain.headers.get('content-type') ?? '', /^text\/event-stream/);
    assert.ok((await plain.text()).split('\n').every((line) => line === '' || line.startsWith('data: {')));
  }),
);

test('what fails in the middle of a streamed answer is told there', async () => {
  server.recognizer.pause();
  const asked = openai.audio.transcriptions.create({ ...ask, stream: true });
  await eventually(() => server.recognizer.openStreams > 0);
  server.recognizer.fail();
  server.recognizer.resume();
  const types: string[] = [];
  const heard = async (): Promise<void> => {
    for await (const event of await asked) types.push(event.type);
  };
  await assert.rejects(heard(), (error) => error instanceof APIError && error.code === 'backend_error');
  assert.ok(!types.includes('transcript.text.done'));
});

test('who goes away in the middle ends the session', async () => {
  const gone = new AbortController();
  server.recognizer.pause();
  const asked = openai.audio.transcriptions.create(ask, { signal: gone.signal });
  await eventually(() => server.recognizer.openStreams > 0);
  gone.abort();
  await assert.rejects(asked);
  await eventually(() => server.sessions.size === 0);
  server.recognizer.resume();
});

test(
  'vocabulary comes from the prompt, silence from the chunking strategy',
  proving('openai', ['files: `prompt`', 'files: `chunking_strategy`'], async () => {
    const { text } = await openai.audio.transcriptions.create({ ...ask, prompt: 'Earshot, ScaiEcho', chunking_strategy: { type: 'server_vad', silence_duration_ms: 300 }, temperature: 0.3, language: 'en' });
    assert.equal(text, 'w1 w2 w5');
  }),
);

test(
  'the same at every address of this protocol',
  proving('audiopod', ['OpenAI’s API below `/api/v1`'], async () => {
    for (const base of ['/oai/v1', '/api/v1']) assert.equal((await client(server.url + base).audio.transcriptions.create(ask)).text, 'w1 w2 w5', base);
  }),
);

test(
  'models are those that the caller may use; a name that is none of them is the best of them',
  proving('openai', ['models'], async () => {
    const { data } = await openai.models.list();
    assert.deepEqual(data, [{ id: 'fake-model', object: 'model', created: 0, owned_by: 'fake' }]);
    assert.equal((await openai.models.retrieve('fake-model')).id, 'fake-model');
    assert.equal((await client(`${server.url}/oai/v1`).audio.transcriptions.create({ ...ask, model: 'fake-model' })).text, 'w1 w2 w5');
    assert.deepEqual(await refused(openai.models.retrieve('other')), [404, 'invalid_request_error', 'model_not_found', 'model']);
  }),
);

test(
  'a translation is what the operator’s language model makes of it; without one there is none',
  proving('openai', ['translations'], proving('audiopod', ['OpenAI’s API below `/api/v1`: translations'], async () => {
    const { translations } = openai.audio;
    assert.deepEqual(await refused(translations.create(ask)), [404, 'invalid_request_error', 'model_not_found', null]);
    server.analyst.fault = 'AUTHZ_PERMISSION_DENIED';
    assert.deepEqual(await refused(translations.create(ask)), [403, 'invalid_request_error', 'authz_permission_denied', null]);
    server.analyst.fault = 'BACKEND_ERROR';
    assert.equal((await refused(translations.create(ask)))[0], 502);
    server.analyst.fault = undefined;
    for (const base of ['/v1', '/api/v1']) assert.equal((await client(server.url + base).audio.translations.create(ask)).text, 'en:w1 w2 en:w5');
    const whole = (await translations.create({ ...ask, response_format: 'verbose_json' })) as OpenAI.Audio.TranslationVerbose;
    assert.deepEqual([whole.language, whole.duration, whole.segments?.map(({ text, start, end }) => [text, start, end])], ['english', 3, [[' en:w1 w2', 0.5, 1.5], [' en:w5', 2.5, 3]]]);
    assert.match((await translations.create({ ...ask, response_format: 'srt' })) as unknown as string, /00:00:00,500 --> .*\nen:w1 w2\n/);
    assert.deepEqual(await refused(translations.create({ ...ask, response_format: 'diarized_json' as never })), [400, 'invalid_request_error', 'invalid_value', 'response_format']);
    server.analyst.fault = 'FEATURE_NOT_ENABLED';
  })),
);

test(
  'what is wrong is said in the vendor’s shape',
  proving('openai', ['errors: message, type, param, code'], async () => {
    const create = (body: object): Promise<unknown> => openai.audio.transcriptions.create({ ...ask, ...body });
    const wrong = ['invalid_request_error', 'invalid_value'] as const;
    assert.deepEqual(await refused(create({ response_format: 'docx' })), [400, ...wrong, 'response_format']);
    assert.deepEqual(await refused(create({ model: '' })), [400, ...wrong, 'model']);
    assert.deepEqual(await refused(create({ temperature: 2 })), [400, ...wrong, 'temperature']);
    assert.deepEqual(await refused(create({ timestamp_granularities: ['line'] })), [400, ...wrong, 'timestamp_granularities']);
    assert.deepEqual(await refused(create({ include: ['sense'] })), [400, ...wrong, 'include']);
    assert.deepEqual(await refused(create({ chunking_strategy: 'some' })), [400, ...wrong, 'chunking_strategy']);
    assert.deepEqual(await refused(create({ stream: true, response_format: 'srt' })), [400, ...wrong, 'response_format']);
    assert.deepEqual(await refused(create({ known_speaker_names: ['Alice'] })), [400, ...wrong, 'known_speaker_names']);
    assert.deepEqual(await refused(create({ language: 'de' })), [400, ...wrong, 'language']);
    assert.deepEqual(await refused(create({ file: speech(new Uint8Array(0)) })), [400, 'invalid_request_error', 'audio_empty', null]);
    assert.deepEqual(await refused(create({ file: speech(new Uint8Array(3 * 1024 * 1024)) })), [413, 'invalid_request_error', 'audio_too_large', null]);
    assert.deepEqual(await refused(client(`${server.url}/v1`, 'sgk_wrong').audio.transcriptions.create(ask)), [401, 'invalid_request_error', 'invalid_api_key', null]);
    const bare = await fetch(`${server.url}/v1/audio/transcriptions`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` } });
    assert.deepEqual([bare.status, ((await bare.json()) as { error: object }).error], [400, { message: 'Not accepted: file: multipart/form-data with a part named file.', type: 'invalid_request_error', param: 'file', code: 'invalid_value' }]);
    const { secret } = await server.tenancy.keys.create(OPERATOR, 'acme', { name: 'x', permissions: ['scaiecho:transcribe'], expiresAtMs: null, budget: null });
    assert.deepEqual(await refused(client(`${server.url}/v1`, secret).audio.transcriptions.create({ ...ask, response_format: 'diarized_json' })), [403, 'invalid_request_error', 'auth_insufficient_scope', null]);
  }),
);

test('nothing is left of any of it', async () => {
  await eventually(() => server.sessions.size === 0 && server.recognizer.openStreams === 0);
  for await (const name of blobs.names()) assert.fail(`${name} is left in the blob store`);
});

function form(...fields: readonly (readonly [string, string])[]): FormData {
  const data = new FormData();
  data.append('file', speech());
  for (const [name, value] of fields) data.append(name, value);
  return data;
}
