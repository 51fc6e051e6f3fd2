import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { transcribed, upload } from './clients/rest.ts';
import { stream } from './clients/stream.ts';
import { textOf } from './clients/wire.ts';
import { TestServer } from './server.ts';
import { asChannels, convert, rawSamples, type SpeechFormat, synthesize } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES, STORY, tellStory } from './spoken.ts';
import { wavFile } from './wav.ts';
import { wordErrors } from './wer.ts';

const MEDIA_TYPES: Readonly<Record<SpeechFormat, string>> = {
  wav: 'audio/wav',
  mp3: 'audio/mpeg',
  flac: 'audio/flac',
  ogg: 'audio/ogg',
  m4a: 'audio/mp4',
  webm: 'audio/webm',
};
/** Codecs add and take some milliseconds at the ends. */
const MAX_LENGTH_DIFFERENCE_MS = 250;
const INLINE_LIMIT_BYTES = 5 * 1024 * 1024;

function assertHeard(spoken: string, heard: string): void {
  const { rate } = wordErrors(spoken, heard);
  assert.ok(rate <= MAX_WORD_ERROR_RATE, `word error rate ${rate}: ${heard}`);
}

describe('every container', () => {
  let server: TestServer;
  let story: string;

  before(async () => {
    server = await TestServer.start();
    story = await tellStory();
  });
  after(() => server.stop());

  for (const [format, mediaType] of Object.entries(MEDIA_TYPES) as [SpeechFormat, string][]) {
    it(`${format}: uploaded without a type and streamed as ${mediaType}, the words are the same`, async () => {
      const file = await readFile(await convert(story, format));
      const rest = await transcribed(server, file);
      assertHeard(STORY, rest.transcript);
      assert.equal(rest.audio_bytes, file.length);
      const samples = (await readFile(story)).length / 32;
      assert.ok(Math.abs(rest.audio_duration_ms - samples) < MAX_LENGTH_DIFFERENCE_MS, `${rest.audio_duration_ms} ms of ${samples} ms`);
      const streamed = await stream(server, file, { open: { media_type: mediaType }, chunkBytes: 1000 });
      assert.equal(await streamed.closeCode(), 1000);
      assert.equal(streamed.text, rest.transcript);
    });

    it(`${format}: two channels are two lanes`, async () => {
      const stereo = await asChannels(await synthesize(SENTENCES.train), await synthesize(SENTENCES.river, 'rms'));
      const file = await readFile(await convert(stereo, format));
      const rest = await transcribed(server, file);
      assertHeard(SENTENCES.train, textOf(rest.segments, 0));
      assertHeard(SENTENCES.river, textOf(rest.segments, 1));
    });
  }

  for (const sampleRateHz of [8000, 16_000, 48_000]) {
    it(`raw samples at ${sampleRateHz} Hz`, async () => {
      const audio = await rawSamples(story, sampleRateHz);
      const open = { media_type: 'audio/pcm', sample_rate: sampleRateHz };
      const streamed = await stream(server, audio, { open });
      // The engine knows no telephone speech; that the length is right shows that the rate was believed.
      if (sampleRateHz > 8000) assertHeard(STORY, streamed.text);
      else assert.ok(wordErrors(STORY, streamed.text).rate < 0.6, streamed.text);
      const closed = streamed.frames.at(-1);
      assert.ok(closed?.type === 'closed');
      assert.equal(closed.audio_bytes, audio.length);
      assert.ok(Math.abs(closed.audio_duration_ms - (audio.length / 2 / sampleRateHz) * 1000) < 2);
    });
  }

  it('takes a file at the inline limit', async () => {
    const file = wavFile(Buffer.alloc(INLINE_LIMIT_BYTES - 44));
    const { transcript, audio_bytes: audioBytes } = await transcribed(server, file);
    assert.equal(transcript, '');
    assert.equal(audioBytes, INLINE_LIMIT_BYTES);
  });

  it('answers a file one byte over the inline limit with a job', async () => {
    const { status, data } = await upload(server, wavFile(Buffer.alloc(INLINE_LIMIT_BYTES + 1 - 44)));
    assert.equal(status, 202);
    const { job_id: id, status: state, audio_bytes: bytes } = data as unknown as Record<string, unknown>;
    assert.match(String(id), /^job_/);
    assert.deepEqual([state, bytes], ['queued', INLINE_LIMIT_BYTES + 1]);
  });
});
