import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { after, beforeEach, test } from 'node:test';
import { proving } from '../../../compatibility/proving.ts';
import { PERMISSIONS, type Principal } from '../../core/principal.ts';
import { bytesOf } from '../../../signaling/testing/raw-decoder.ts';
import { joined, loud, quiet } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { KEY, startServer } from '../testing/server.ts';

type Json = Record<string, unknown>;
const TALK = Uint8Array.from(bytesOf(joined(loud(1000), quiet(1000))));

const server = await startServer();
/** What the receiver of callbacks was told, with the method. */
const told: [string | undefined, Json, IncomingMessage['headers']][] = [];
const receiver = createServer((request, response) => {
  if (request.method === 'GET') response.end(TALK);
  else void json(request).then((body) => void response.end(void told.push([request.method, body as Json, request.headers])));
});
receiver.listen(0, '127.0.0.1');
await once(receiver, 'listening');
const elsewhere = `http://127.0.0.1:${String((receiver.address() as AddressInfo).port)}`;
after(async () => {
  receiver.close();
  await server.close();
});
beforeEach(() => {
  server.analyst.fault = 'FEATURE_NOT_ENABLED';
  told.length = 0;
});

async function ask(method: string, path: string, body?: object, key = KEY): Promise<[number, Json]> {
  const form = body instanceof FormData;
  const response = await fetch(path.startsWith('http') ? path : `${server.url}${path}`, {
    method,
    headers: { 'x-gladia-key': key, ...(body && !form && { 'content-type': 'application/json' }) },
    ...(body && { body: form ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return [response.status, text === '' ? {} : (JSON.parse(text) as Json)];
}

function formOf(bytes: Uint8Array<ArrayBuffer>, name = 'audio', filename = 'talk.WAV'): FormData {
  const form = new FormData();
  form.append(name, new Blob([bytes]), filename);
  return form;
}

async function uploaded(): Promise<string> {
  const [status, { audio_url: url }] = await ask('POST', '/v2/upload', formOf(TALK));
  assert.equal(status, 200);
  return String(url);
}

/** The job of these options, once it has ended. */
async function transcribed(options: Json): Promise<Json> {
  const [status, { id, result_url: url }] = await ask('POST', '/v2/pre-recorded', options);
  assert.equal(status, 201, JSON.stringify(id));
  assert.equal(url, `${server.url}/v2/pre-recorded/${String(id)}`);
  let job: Json = {};
  await eventually(async () => {
    [, job] = await ask('GET', `/v2/pre-recorded/${String(id)}`);
    return job['status'] === 'done' || job['status'] === 'error';
  });
  return job;
}

const resultOf = (job: Json): Record<string, Json> => job['result'] as Record<string, Json>;

test(
  'a file is uploaded, transcribed, read, listed and deleted',
  proving('gladia', ['recorded: `POST /v2/upload`, by form and by address', 'recorded: `POST /v2/pre-recorded`, polling', 'recorded: read, list, delete, file', 'recorded: `sentences`', 'recorded: `custom_metadata`'], async () => {
    const [, upload] = await ask('POST', '/v2/upload', formOf(TALK));
    const { id: uploadId, ...metadata } = upload['audio_metadata'] as Json;
    assert.match(String(uploadId), /^[0-9a-f-]{36}$/);
    assert.deepEqual(metadata, { filename: 'talk.WAV', extension: 'wav', size: TALK.length, audio_duration: 2, number_of_channels: 1 });
    const audioUrl = String(upload['audio_url']);
    const job = await transcribed({ audio_url: audioUrl, custom_metadata: { room: 1 }, sentences: true });
    const { id, request_id: requestId, created_at: createdAt, completed_at: completedAt, request_params: params, result, ...rest } = job;
    assert.match(String(id), /^[0-9a-f-]{36}$/);
    assert.match(String(requestId), /^G-[0-9a-f]{8}$/);
    assert.ok(Date.parse(String(createdAt)) <= Date.parse(String(completedAt)));
    assert.equal((params as Json)['audio_url'], audioUrl);
    assert.deepEqual(rest, {
      version: 2,
      status: 'done',
      custom_metadata: { room: 1 },
      error_code: null,
      post_session_metadata: {},
      kind: 'pre-recorded',
      file: { id: uploadId, filename: 'talk.WAV', source: null, audio_duration: 2, number_of_channels: 1 },
    });
    const { metadata: numbers, transcription, sentences } = result as Record<string, Json>;
    assert.deepEqual([numbers?.['audio_duration'], numbers?.['number_of_distinct_channels'], numbers?.['billing_time']], [2, 1, 2]);
    const [utterance] = transcription?.['utterances'] as { text: string; words: { word: string }[]; channel: number }[];
    assert.deepEqual([transcription?.['full_transcript'], utterance?.text, utterance?.words.map(({ word }) => word).join('')], ['w0 w1', 'w0 w1', 'w0 w1']);
    assert.deepEqual(sentences, { success: true, is_empty: false, exec_time: 0, error: null, results: ['w0 w1'] });
    assert.deepEqual(transcription?.['sentences'], [sentences]);

    // The same upload again, as often as one likes.
    const second = await transcribed({ audio_url: audioUrl, custom_metadata: { room: 2 } });
    const listed = async (query: string): Promise<Json[]> => (await ask('GET', `/v2/pre-recorded?${query}`))[1]['items'] as Json[];
    assert.deepEqual((await listed('custom_metadata[room]=2&status=done')).map((each) => each['id']), [second['id']]);
    assert.deepEqual((await listed('status=error')).length, 0);
    assert.deepEqual((await ask('GET', '/v2/live'))[1]['items'], []);
    const [, page] = await ask('GET', '/v2/pre-recorded?limit=1');
    assert.deepEqual((page['items'] as Json[]).map((each) => resultOf(each)['transcription']?.['full_transcript']), ['w0 w1']);
    const [, next] = await ask('GET', String(page['next']));
    assert.deepEqual((next['items'] as Json[]).map((each) => each['id']), [id]);

    assert.equal((await ask('DELETE', `/v2/pre-recorded/${String(id)}`))[0], 202);
    assert.equal((await ask('GET', `/v2/pre-recorded/${String(id)}`))[0], 404);
  }),
);

test(
  'audio at an address, and with an address uploaded',
  proving('gladia', ['recorded: `POST /v2/upload`, by form and by address', 'recorded: `POST /v2/pre-recorded`, polling'], async () => {
    const direct = await transcribed({ audio_url: `${elsewhere}/talks/talk.wav` });
    assert.deepEqual(direct['file'], { id: direct['id'], filename: 'talk.wav', source: `${elsewhere}/talks/talk.wav`, audio_duration: 2, number_of_channels: 1 });
    const [status, upload] = await ask('POST', '/v2/upload', { audio_url: `${elsewhere}/talk.wav` });
    assert.deepEqual([status, (upload['audio_metadata'] as Json)['source']], [200, `${elsewhere}/talk.wav`]);
    assert.equal((await transcribed({ audio_url: upload['audio_url'] }))['status'], 'done');
  }),
);

test(
  'without a language model every add-on says that it is not enabled',
  proving('gladia', ['recorded: `translation`, `summarization`, `named_entity_recognition`, `sentiment_analysis`, `chapterization`, `audio_to_llm`'], async () => {
    const job = await transcribed({
      audio_url: await uploaded(),
      translation: true,
      translation_config: { target_languages: ['fr'] },
      summarization: true,
      named_entity_recognition: true,
      sentiment_analysis: true,
      chapterization: true,
      audio_to_llm: true,
      audio_to_llm_config: { prompts: ['Who?'] },
      moderation: true,
    });
    const error = (message: string): object => ({ status_code: 501, exception: 'NotEnabled', message });
    const off = { success: false, is_empty: true, exec_time: 0.005, error: error('fake: FEATURE_NOT_ENABLED'), results: null };
    const { metadata, transcription, ...blocks } = resultOf(job);
    assert.deepEqual([metadata?.['audio_duration'], transcription?.['full_transcript']], [2, 'w0 w1']);
    assert.deepEqual(blocks, {
      translation: off,
      summarization: off,
      named_entity_recognition: off,
      sentiment_analysis: { ...off, results: '' },
      chapterization: off,
      audio_to_llm: { ...off, results: [{ ...off, results: { prompt: 'Who?', response: null } }] },
      moderation: { ...off, exec_time: 0, error: error('This server does not offer it.') },
    });
  }),
);

test(
  'with one, each has its result',
  proving('gladia', ['recorded: `translation`, `summarization`, `named_entity_recognition`, `sentiment_analysis`, `chapterization`, `audio_to_llm`', 'recorded: `subtitles`'], async () => {
    server.analyst.fault = undefined;
    const job = await transcribed({
      audio_url: await uploaded(),
      language_config: { languages: ['en'] },
      translation: true,
      translation_config: { target_languages: ['fr', 'de'], informal: true },
      summarization: true,
      summarization_config: { type: 'concise' },
      named_entity_recognition: true,
      sentiment_analysis: true,
      chapterization: true,
      audio_to_llm: true,
      audio_to_llm_config: { prompts: ['Who?', ['Where?']] },
      sentences: true,
      subtitles: true,
      subtitles_config: { formats: ['srt', 'vtt'] },
    });
    const { request } = server.analyst.asked.at(-1) ?? {};
    assert.deepEqual(request, { translation: { targets: ['fr', 'de'], informal: true }, entities: true, sentiments: true, summary: 'concise', chapters: true, prompts: ['Who?', 'Where?'] });
    const result = resultOf(job);
    const ok = { success: true, is_empty: false, exec_time: 0.005, error: null };
    assert.deepEqual(result['summarization'], { ...ok, results: 'concise of 1' });
    assert.deepEqual(result['named_entity_recognition'], { ...ok, results: [{ entity_type: 'PERSON', text: 'w0', start: 0, end: 0.5 }] });
    assert.deepEqual(JSON.parse(String(result['sentiment_analysis']?.['results'])), [{ sentiment: 'neutral', emotion: 'neutral', text: 'w0 w1', start: 0, end: 1, channel: 0 }]);
    assert.deepEqual(result['chapterization'], { ...ok, results: [{ headline: 'All of it', gist: 'all', summary: 'w0 w1', keywords: ['all'], start: 0, end: 1 }] });
    assert.deepEqual((result['audio_to_llm']?.['results'] as Json[]).map((each) => each['results']), [{ prompt: 'Who?', response: 'answer to Who?' }, { prompt: 'Where?', response: 'answer to Where?' }]);
    const [french] = result['translation']?.['results'] as Json[];
    const time = { start: 0, end: 1 };
    assert.deepEqual(french, {
      error: null,
      full_transcript: 'fr:w0 w1',
      languages: ['fr'],
      utterances: [{ text: 'fr:w0 w1', ...time, language: 'fr', channel: 0, confidence: 0, words: [{ word: 'fr:w0', ...time, confidence: 0 }, { word: ' w1', ...time, confidence: 0 }] }],
      sentences: [{ ...ok, exec_time: 0, results: ['fr:w0 w1'] }],
      subtitles: [
        { format: 'srt', subtitles: '1\n00:00:00,000 --> 00:00:01,000\nfr:w0 w1\n' },
        { format: 'vtt', subtitles: 'WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nfr:w0 w1\n' },
      ],
    });
    assert.match(JSON.stringify(result['transcription']?.['subtitles']), /srt.*w0 w1.*vtt.*w0 w1/);
  }),
);

test(
  'subtitles keep to what was asked of them',
  proving('gladia', ['recorded: `subtitles`'], async () => {
    const job = await transcribed({ audio_url: await uploaded(), subtitles: true, subtitles_config: { maximum_characters_per_row: 10, maximum_rows_per_caption: 1, minimum_duration: 1.5, maximum_duration: 2 } });
    assert.deepEqual(resultOf(job)['transcription']?.['subtitles'], [{ format: 'srt', subtitles: '1\n00:00:00,000 --> 00:00:01,500\nw0 w1\n' }]);
  }),
);

test(
  'a callback has the result, by POST or PUT',
  proving('gladia', ['recorded: `callback`, `callback_url`'], async () => {
    const done = await transcribed({ audio_url: await uploaded(), callback: true, callback_config: { url: `${elsewhere}/hook`, method: 'PUT' }, custom_metadata: { n: 1 } });
    await eventually(() => told.length === 1);
    const [method, body, headers] = told[0]!;
    assert.deepEqual([method, body], ['PUT', { id: done['id'], event: 'transcription.success', payload: done['result'], custom_metadata: { n: 1 } }]);
    assert.match(String(headers['x-earshot-signature']), /^v1=/);
  }),
);

test(
  'a job that fails says of what',
  proving('gladia', ['recorded: `callback`, `callback_url`'], async () => {
    const [, { id }] = await ask('POST', '/v2/pre-recorded', { audio_url: `${server.url}/nothing-here.wav`, callback_url: `${elsewhere}/hook` });
    await eventually(() => told.length === 1);
    const [, job] = await ask('GET', `/v2/pre-recorded/${String(id)}`);
    assert.deepEqual([job['status'], job['error_code'], job['result']], ['error', 422, null]);
    assert.deepEqual(told[0]?.[1], { id, event: 'transcription.error', error: { code: 422, message: 'The address answered with status 404.' } });
  }),
);

test(
  'what is refused, and how',
  proving('gladia', ['errors: `statusCode`, `validation_errors`', 'recorded: `pii_redaction`'], async () => {
    const url = await uploaded();
    const refusals: [object, RegExp][] = [
      [{}, /audio_url/],
      [{ audio_url: 'http://10.0.0.1/a.wav' }, /audio_url/],
      [{ audio_url: `${server.url}/file/unknown` }, /audio_url: an upload of yours/],
      [{ audio_url: url, callback: true }, /callback_config/],
      [{ audio_url: url, callback_url: 'http://192.168.0.1/' }, /callback_url/],
      [{ audio_url: url, translation: true }, /translation_config/],
      [{ audio_url: url, audio_to_llm: true }, /audio_to_llm_config/],
      [{ audio_url: url, pii_redaction: true }, /pii_redaction_config/],
      [{ audio_url: url, pii_redaction: true, pii_redaction_config: { entity_types: ['NAME'] } }, /PCI.*not found here/],
      [{ audio_url: url, pii_redaction: true, pii_redaction_config: { entity_types: 'SSN', processed_text_type: 'MASK' } }, /MARKER/],
      [{ audio_url: url, subtitles_config: { formats: ['ass'] } }, /formats/],
      [{ audio_url: url, custom_metadata: { long: 'x'.repeat(100_001) } }, /100 kB/],
    ];
    for (const [body, expected] of refusals) {
      const [status, refused] = await ask('POST', '/v2/pre-recorded', body);
      assert.deepEqual([status, refused['message'], refused['path']], [400, 'Validation error', '/v2/pre-recorded'], JSON.stringify(body).slice(0, 100));
      assert.match((refused['validation_errors'] as string[]).join(), expected);
    }
    for (const [body, status] of [[formOf(new Uint8Array(0)), 400], [formOf(TALK, 'video'), 400], [new FormData(), 400], [{ audio_url: 'http://10.0.0.1/' }, 400], [{}, 400]] as const) {
      assert.equal((await ask('POST', '/v2/upload', body))[0], status);
    }
    assert.equal((await ask('POST', '/v2/upload', formOf(new Uint8Array(9 * 1024 * 1024))))[0], 413);
    assert.equal((await ask('POST', '/v2/upload', formOf(TALK), 'sgk_wrong_wrong_wrong'))[0], 401);
    for (const path of ['/v2/pre-recorded/unknown', '/v2/pre-recorded/unknown/file']) assert.equal((await ask('GET', path))[0], 404);
    // The audio goes with the end of the job, where it is not to be kept.
    const done = await transcribed({ audio_url: url });
    assert.equal((await ask('GET', `/v2/pre-recorded/${String(done['id'])}/file`))[0], 404);
  }),
);

test(
  'what is asked of the engine and the text',
  proving('gladia', ['recorded: `language_config`', 'recorded: `custom_vocabulary`, `custom_spelling`', 'recorded: `pii_redaction`', 'recorded: `diarization`'], async () => {
    const [, { id }] = await ask('POST', '/v2/pre-recorded', {
      audio_url: await uploaded(),
      language_config: { languages: ['en'] },
      custom_vocabulary: ['Earshot'],
      custom_spelling: true,
      custom_spelling_config: { spelling_dictionary: { Gladia: ['glad ya'] } },
      pii_redaction: true,
      pii_redaction_config: { entity_types: ['SSN', 'CREDIT_CARD', 'EMAIL_ADDRESS'] },
      diarization: true,
    });
    const job = await server.store.jobs.get('default', `job_${String(id)}`);
    assert.deepEqual(job?.request.text, { vocabulary: [{ term: 'Earshot', boost: 2 }], spelling: [{ from: ['glad ya'], to: 'Gladia' }], redact: ['ssn', 'pci', 'pii'] });
    assert.deepEqual([job.request.language, job.request.diarize, job.request.analysis], ['en', true, undefined]);
  }),
);

test('an upload of another tenant is none, and its jobs are not there', async () => {
  const url = await uploaded();
  const done = await transcribed({ audio_url: url });
  const operator: Principal = { tenantId: 'default', keyId: 'operator', permissions: new Set(PERMISSIONS), operator: true };
  const { secret: other } = await server.tenancy.keys.create(operator, 'other', { name: 'k', permissions: ['scaiecho:transcribe'], expiresAtMs: null, budget: null });
  assert.equal((await ask('POST', '/v2/pre-recorded', { audio_url: url }, other))[0], 400);
  assert.equal((await ask('GET', `/v2/pre-recorded/${String(done['id'])}`, undefined, other))[0], 404);
});
