import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import OpenAI, { AuthenticationError, toFile } from 'openai';
import { proving } from '../compatibility/proving.ts';
import { TestServer } from './server.ts';
import { convert } from './speech.ts';
import { MAX_WORD_ERROR_RATE, STORY, tellStory } from './spoken.ts';
import { wordErrors } from './wer.ts';

/** Hearing the story takes some seconds, more on a busy machine; what is asked of all formats is asked of one recording. */
describe('a recording through OpenAI’s own client', () => {
  let server: TestServer;
  let client: OpenAI;
  let story: Uint8Array;

  before(async () => {
    server = await TestServer.start();
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.apiKey, maxRetries: 0 });
    story = await readFile(await convert(await tellStory(), 'mp3'));
  });
  after(() => server.stop());

  const recording = () => toFile(story, 'story.mp3');
  const model = 'gpt-4o-transcribe';

  it(
    'comes in every format, with the same words',
    proving('openai', ['files: json, text, srt, vtt, verbose_json'], async () => {
      const { transcriptions } = client.audio;
      const verbose = await transcriptions.create({ file: await recording(), model, response_format: 'verbose_json', timestamp_granularities: ['word', 'segment'] });
      assert.ok(wordErrors(STORY, verbose.text).rate <= MAX_WORD_ERROR_RATE, verbose.text);
      assert.equal(verbose.language, 'english');
      assert.equal(verbose.words?.map(({ word }) => word).join(' '), verbose.text);
      assert.equal(verbose.segments?.map(({ text }) => text).join(''), ` ${verbose.text}`);
      assert.ok(verbose.segments.length >= 3);
  
      assert.equal((await transcriptions.create({ file: await recording(), model })).text, verbose.text);
      assert.equal(await transcriptions.create({ file: await recording(), model, response_format: 'text' }), `${verbose.text}\n`);
      const spoken = (subtitles: string): string => subtitles.split('\n').filter((line) => /^[a-z]/.test(line)).join(' ');
      assert.equal(spoken(await transcriptions.create({ file: await recording(), model, response_format: 'srt' })), verbose.text);
      assert.equal(spoken(await transcriptions.create({ file: await recording(), model, response_format: 'vtt' })), verbose.text);
      const diarized = (await transcriptions.create({ file: await recording(), model, response_format: 'diarized_json' })) as unknown as OpenAI.Audio.TranscriptionDiarized;
      assert.equal(diarized.segments.map(({ text }) => text).join(' '), verbose.text);
      assert.deepEqual([...new Set(diarized.segments.map(({ speaker }) => speaker))], ['A']);
    }),
  );

  it(
    'comes as a stream whose pieces add up',
    proving('openai', ['files: `stream`'], async () => {
      let text = '';
      const last: OpenAI.Audio.TranscriptionStreamEvent[] = [];
      for await (const event of await client.audio.transcriptions.create({ file: await recording(), model, stream: true })) {
        if (event.type === 'transcript.text.delta') text += event.delta;
        last[0] = event;
      }
      assert.ok(wordErrors(STORY, text).rate <= MAX_WORD_ERROR_RATE, text);
      assert.ok(last[0]?.type === 'transcript.text.done' && last[0].text === text);
    }),
  );

  it(
    'the models are listed, and a wrong key is one to the client',
    proving('openai', ['models', 'key by Bearer, by subprotocol'], async () => {
      const ids = (await client.models.list()).data.map(({ id }) => id);
      assert.deepEqual(ids, ['pocketsphinx-en-us']);
      await assert.rejects(client.withOptions({ apiKey: 'sgk_wrong' }).models.list(), AuthenticationError);
    }),
  );
});
