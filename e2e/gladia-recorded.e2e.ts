import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { GladiaClient } from '@gladiaio/sdk';
import { proving } from '../compatibility/proving.ts';
import { transcribed } from './clients/rest.ts';
import { eventually } from './eventually.ts';
import { completionOf, type Question } from './language-model.ts';
import { TestServer } from './server.ts';
import { asChannels, synthesize } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES, STORY, tellStory } from './spoken.ts';
import { wordErrors } from './wer.ts';

const PATIENCE_MS = 180_000;
const POLL = { interval: 200, timeout: PATIENCE_MS };
const run = promisify(execFile);

/** Stands for an operator's language model, and for a receiver of callbacks, and for a host of recordings. */
let elsewhere: Server;
let elsewhereUrl: string;
let storyPath: string;
const told: { readonly event: string; readonly payload: Record<string, unknown> }[] = [];

before(async () => {
  storyPath = await tellStory();
  const story = await readFile(storyPath);
  elsewhere = createServer((request, response) => {
    if (request.method === 'GET') {
      response.end(story);
      return;
    }
    void json(request).then((body) => {
      if (request.url === '/hook') response.end(void told.push(body as (typeof told)[number]));
      else response.setHeader('content-type', 'application/json').end(completionOf(body as Question));
    });
  });
  elsewhere.listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  elsewhereUrl = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
});
after(() => elsewhere.close());

describe('Gladia’s own package, with recordings', { timeout: 2 * PATIENCE_MS }, () => {
  let server: TestServer;
  let client: ReturnType<GladiaClient['preRecordedV2']>;

  before(async () => {
    server = await TestServer.start({
      env: { EARSHOT_KEEP_JOB_AUDIO: 'true', EARSHOT_OUTBOUND_NETWORKS: '127.0.0.1', EARSHOT_LANGUAGE_MODEL_URL: `${elsewhereUrl}/v1`, EARSHOT_LANGUAGE_MODEL: 'tiny', EARSHOT_LANGUAGE_MODEL_BACKEND: 'A' },
    });
    client = new GladiaClient({ apiKey: server.apiKey, apiUrl: server.url }).preRecordedV2();
  });
  after(() => server.stop());

  it(
    'transcribes a file: the words and times of the native API, and every add-on',
    proving('gladia', ['recorded: `POST /v2/upload`, by form and by address', 'recorded: `POST /v2/pre-recorded`, polling', 'recorded: read, list, delete, file', 'recorded: `subtitles`', 'recorded: `sentences`', 'recorded: `custom_metadata`', 'recorded: `callback`, `callback_url`', 'recorded: `translation`, `summarization`, `named_entity_recognition`, `sentiment_analysis`, `chapterization`, `audio_to_llm`'], async () => {
      const { segments, transcript } = await transcribed(server, await readFile(storyPath));
      const job = await client.transcribe(
        storyPath,
        {
          custom_metadata: { room: 'garden' },
          language_config: { languages: ['en'] },
          subtitles: true,
          subtitles_config: { formats: ['srt', 'vtt'] },
          sentences: true,
          translation: true,
          translation_config: { target_languages: ['fr'] },
          summarization: true,
          named_entity_recognition: true,
          sentiment_analysis: true,
          audio_to_llm: true,
          audio_to_llm_config: { prompts: ['What happens?'] as never },
          callback: true,
          callback_config: { url: `${elsewhereUrl}/hook` },
        },
        POLL,
      );
      assert.deepEqual([job.status, job.custom_metadata, job.file?.filename], ['done', { room: 'garden' }, storyPath.split('/').at(-1)]);
      const { result } = job;
      assert.equal(result?.transcription?.full_transcript, transcript);
      const words = result.transcription.utterances.flatMap((utterance) => utterance.words.map(({ word, start, end }) => [word.trim(), start, end]));
      assert.deepEqual(words, segments.flatMap((segment) => segment.words.map(({ text, start, end }) => [text, start, end])));
      assert.ok(wordErrors(STORY, transcript).rate <= MAX_WORD_ERROR_RATE, transcript);
      assert.deepEqual(result.transcription.subtitles?.map(({ format }) => format), ['srt', 'vtt']);
      assert.match(result.transcription.subtitles[0]?.subtitles ?? '', /^1\n00:00:/);
      assert.deepEqual([result.summarization?.results, result.audio_to_llm?.results?.[0]?.results], ['A short summary.', { prompt: 'What happens?', response: 'An answer.' }]);
      assert.equal(result.translation?.results?.[0]?.utterances.length, result.transcription.utterances.length);
      assert.match(result.translation.results[0].full_transcript, /^\(fr\) /);
      assert.equal(result.named_entity_recognition?.results?.length, result.transcription.utterances.length);
      assert.equal((JSON.parse(result.sentiment_analysis?.results ?? '') as unknown[]).length, result.transcription.utterances.length);
      await eventually('the callback comes', () => told.length > 0 || undefined);
      assert.deepEqual([told[0]?.event, told[0]?.payload], ['transcription.success', result]);

      assert.deepEqual((await client.list({ custom_metadata: { room: 'garden' } })).items.map(({ id }) => id), [job.id]);
      assert.deepEqual(Buffer.from(await client.getFile(job.id)), await readFile(storyPath));
      assert.equal(await client.delete(job.id), true);
      await assert.rejects(client.get(job.id));
    }),
  );

  it('transcribes what is at an address, in a container, and two channels apart', async () => {
    const remote = await client.transcribe(`${elsewhereUrl}/story.wav`, {}, POLL);
    assert.ok(wordErrors(STORY, remote.result?.transcription?.full_transcript ?? '').rate <= MAX_WORD_ERROR_RATE);
    const stereo = await client.transcribe(await asChannels(await synthesize(SENTENCES.river), await synthesize(SENTENCES.window, 'rms')), {}, POLL);
    assert.deepEqual([stereo.file?.number_of_channels, stereo.result?.metadata.number_of_distinct_channels], [2, 2]);
    for (const [channel, sentence] of [SENTENCES.river, SENTENCES.window].entries()) {
      const text = (stereo.result?.transcription?.utterances ?? []).filter((each) => each.channel === channel).map((each) => each.text).join(' ');
      assert.ok(wordErrors(sentence, text).rate <= MAX_WORD_ERROR_RATE, text);
    }
  });

  it(
    'does what the documented steps with curl do',
    proving('gladia', ['recorded: `POST /v2/pre-recorded`, polling', 'recorded: `diarization`'], async () => {
      const curl = async (...args: readonly string[]): Promise<Record<string, unknown>> => JSON.parse((await run('curl', ['-sS', '-H', `x-gladia-key: ${server.apiKey}`, ...args])).stdout) as Record<string, unknown>;
      const upload = await curl('--request', 'POST', '--url', `${server.url}/v2/upload`, '--form', `audio=@${storyPath}`);
      const created = await curl('--request', 'POST', '--url', `${server.url}/v2/pre-recorded`, '--header', 'Content-Type: application/json', '--data', JSON.stringify({ audio_url: upload['audio_url'], diarization: true }));
      const done = await eventually('the job is done', async () => {
        const job = await curl('--request', 'GET', '--url', String(created['result_url']));
        return job['status'] === 'done' ? job : undefined;
      }, { timeoutMs: PATIENCE_MS });
      const { transcription } = done['result'] as { transcription: { full_transcript: string; utterances: { speaker: number }[] } };
      assert.ok(wordErrors(STORY, transcription.full_transcript).rate <= MAX_WORD_ERROR_RATE);
      assert.ok(transcription.utterances.every(({ speaker }) => Number.isInteger(speaker)));
    }),
  );

  it('is told what is no audio, by the upload', async () => {
    await assert.rejects(client.uploadFile(new File(['not a sound'], 'a.wav')), (error: Error) => /400|not audio/.test(`${String((error as { status?: number }).status)} ${error.message}`));
  });

  it(
    'hears live add-ons and callbacks',
    proving('gladia', ['live: translation, named entities, sentiment, summary', 'live: callbacks'], async () => {
      told.length = 0;
      const session = new GladiaClient({ apiKey: server.apiKey, apiUrl: server.url }).liveV2().startSession({
        encoding: 'wav/pcm', sample_rate: 16_000, bit_depth: 16, channels: 1, endpointing: 0.7,
        realtime_processing: { translation: true, translation_config: { target_languages: ['fr'] } },
        post_processing: { summarization: true },
        callback: true,
        callback_config: { url: `${elsewhereUrl}/hook` },
      });
      const messages: { type: string; error?: unknown; data?: Record<string, unknown> | null }[] = [];
      session.on('message', (message: unknown) => messages.push(message as (typeof messages)[number]));
      const ended = once(session as never, 'ended');
      session.sendAudio((await readFile(storyPath)).subarray(44));
      session.stopRecording();
      await ended;
      const translations = messages.filter(({ type }) => type === 'translation');
      assert.deepEqual(translations.map(({ error, data }) => [error, data?.['target_language']]), messages.filter(({ type }) => type === 'transcript').map(() => [null, 'fr']));
      assert.deepEqual(messages.find(({ type }) => type === 'post_summarization')?.data, { results: 'A short summary.' });
      await eventually('the last callback comes', () => told.at(-1)?.event === 'live.end_session' || undefined);
      const both = new Set(['transcript', 'translation', 'post_transcript', 'post_summarization', 'post_final_transcript']);
      const types = (list: readonly { readonly type: string }[]): string[] => list.map(({ type }) => type).filter((type) => both.has(type));
      assert.deepEqual(types(told.map(({ payload }) => payload as { type: string })), types(messages));
    }),
  );
});
