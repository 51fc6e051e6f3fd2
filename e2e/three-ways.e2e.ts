import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { transcribed, type Transcription } from './clients/rest.ts';
import { stream } from './clients/stream.ts';
import { joinControl, opusPackets, WebRtcClient } from './clients/webrtc.ts';
import { textOf, wordsOf } from './clients/wire.ts';
import { TestServer } from './server.ts';
import { asChannels, convert, synthesize, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES, STORY, tellStory } from './spoken.ts';
import { wordErrors } from './wer.ts';

const BYTES_PER_SECOND = 32_000;
/** 100 ms of sound, what a live client sends at a time. */
const LIVE_CHUNK_BYTES = 3200;

describe('the same recording by every way in', () => {
  let server: TestServer;
  let mono: Uint8Array;
  let byRest: Transcription;

  before(async () => {
    server = await TestServer.start();
    mono = await readFile(await tellStory());
    byRest = await transcribed(server, mono);
  });
  after(() => server.stop());

  it('is understood', () => {
    const { rate } = wordErrors(STORY, byRest.transcript);
    assert.ok(rate <= MAX_WORD_ERROR_RATE, `${rate}: ${byRest.transcript}`);
    assert.equal(byRest.transcript, textOf(byRest.segments));
    assert.equal(byRest.segments.length, 3, 'every sentence is an utterance');
  });

  it('gives the same words and times by WebSocket in real time', async () => {
    const live = await stream(server, mono, { chunkBytes: LIVE_CHUNK_BYTES, bytesPerSecond: BYTES_PER_SECOND });
    assert.equal(live.text, byRest.transcript);
    assert.deepEqual(wordsOf(live.finals), wordsOf(byRest.segments));
    const firstInterim = live.frames.findIndex((frame) => frame.type === 'delta' && !frame.is_final && frame.text !== '');
    const firstFinal = live.frames.findIndex((frame) => frame.type === 'delta' && frame.is_final);
    assert.ok(firstInterim >= 0 && firstInterim < firstFinal, 'words come before their final');
  });

  for (const chunkBytes of [16_000, 1_000_000, 4097, 7]) {
    it(`gives the same words by WebSocket at once, ${chunkBytes} bytes at a time`, async () => {
      const fast = await stream(server, mono, { chunkBytes });
      assert.equal(fast.text, byRest.transcript);
      assert.deepEqual(wordsOf(fast.finals), wordsOf(byRest.segments));
      const closed = fast.frames.at(-1);
      assert.ok(closed?.type === 'closed');
      assert.equal(closed.audio_bytes, mono.length);
      assert.equal(closed.audio_duration_ms, byRest.audio_duration_ms);
    });
  }

  it('keeps two channels apart, by REST and by WebSocket', async () => {
    const stereo = await readFile(await asChannels(await synthesize(SENTENCES.brother), await synthesize(SENTENCES.window, 'rms')));
    const rest = await transcribed(server, stereo);
    const fast = await stream(server, stereo);
    const live = await stream(server, stereo, { chunkBytes: 2 * LIVE_CHUNK_BYTES, bytesPerSecond: 2 * BYTES_PER_SECOND });
    for (const [lane, spoken] of [SENTENCES.brother, SENTENCES.window].entries()) {
      const heard = textOf(rest.segments, lane);
      assert.ok(wordErrors(spoken, heard).rate <= MAX_WORD_ERROR_RATE, `lane ${lane}: ${heard}`);
      assert.equal(textOf(fast.finals, lane), heard);
      assert.equal(textOf(live.finals, lane), heard);
    }
    assert.equal(fast.text, rest.transcript);
    assert.equal(live.text, rest.transcript);
  });

  it('gives nearly the same words by WebRTC', async () => {
    const file = await withSilence(await tellStory(), 500, 1500, 'room');
    const client = new WebRtcClient();
    const { session_id: id } = await client.connect(server);
    const control = await joinControl(server, id);
    await client.send(opusPackets(await readFile(await convert(file, 'ogg'))));
    control.send({ type: 'close' });
    assert.equal(await control.closeCode(), 1000);
    await client.vanish();
    assert.equal(control.frames.at(0)?.type, 'ready');
    assert.equal(control.frames.at(-1)?.type, 'closed');
    const spoken = wordErrors(STORY, control.text);
    assert.ok(spoken.rate <= MAX_WORD_ERROR_RATE, `${spoken.rate}: ${control.text}`);
    const differences = wordErrors(byRest.transcript, control.text);
    assert.ok(differences.rate <= 0.15, `differs from REST by ${differences.rate}: ${control.text}`);
  });
});
