import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { transcribed } from './clients/rest.ts';
import { stream } from './clients/stream.ts';
import { joinControl, opusPackets, WebRtcClient } from './clients/webrtc.ts';
import { wordsOf, type Segment } from './clients/wire.ts';
import { TestServer } from './server.ts';
import { convert, durationSeconds, inSequence, silence, synthesize } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

const FIVE_MINUTES_S = 300;
const PAUSE_S = 10;
/** Where a word begins is a matter of a few frames of 10 ms; codecs and jitter add some. */
const MAX_TIME_DIFFERENCE_S = 0.5;

describe('silence', () => {
  let server: TestServer;

  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  for (const kind of ['digital', 'room'] as const) {
    it(`five minutes of it give no text: ${kind}, pushed through a WebSocket`, async () => {
      const audio = await readFile(await silence(FIVE_MINUTES_S, kind));
      const { frames } = await stream(server, audio);
      assert.deepEqual(frames.map(({ type }) => type), ['ready', 'closed']);
      const closed = frames.at(-1);
      assert.ok(closed?.type === 'closed');
      assert.equal(closed.audio_duration_ms, FIVE_MINUTES_S * 1000);
    });

    it(`five minutes of it give no text: ${kind}, uploaded`, async () => {
      const answer = await transcribed(server, await readFile(await convert(await silence(FIVE_MINUTES_S, kind), 'flac')));
      assert.equal(answer.transcript, '');
      assert.deepEqual(answer.segments, []);
      assert.equal(answer.audio_duration_ms, FIVE_MINUTES_S * 1000);
    });
  }
});

describe('a long pause', () => {
  let server: TestServer;
  let first: string;
  let second: string;
  let recording: string;
  /** Where the second sentence begins to sound, in seconds of the whole recording. */
  let expectedStart: number;

  before(async () => {
    server = await TestServer.start();
    first = await synthesize(SENTENCES.river);
    second = await synthesize(SENTENCES.brother);
    recording = await inSequence(first, await silence(PAUSE_S, 'digital'), second);
    const alone = await transcribed(server, await readFile(second));
    expectedStart = (await durationSeconds(first)) + PAUSE_S + (wordsOf(alone.segments)[0]?.start ?? NaN);
  });
  after(() => server.stop());

  function assertTimes(segments: readonly Segment[]): void {
    assert.equal(segments.length, 2);
    const [, later] = segments.toSorted((a, b) => a.start - b.start);
    assert.ok(later);
    assert.ok(wordErrors(SENTENCES.brother, later.text).rate <= MAX_WORD_ERROR_RATE, later.text);
    const start = later.words[0]?.start ?? NaN;
    assert.ok(Math.abs(start - expectedStart) < MAX_TIME_DIFFERENCE_S, `begins at ${start} s instead of ${expectedStart} s`);
    assert.equal(later.start, start);
    for (const [index, word] of wordsOf(segments).entries()) {
      const before = wordsOf(segments)[index - 1];
      assert.ok(word.end > word.start && word.start >= (before?.end ?? 0) - 0.02, `${word.text} lies after the word before it`);
    }
  }

  it('leaves the times of the words after it right: uploaded', async () => {
    assertTimes((await transcribed(server, await readFile(recording))).segments);
  });

  it('leaves the times of the words after it right: WebSocket', async () => {
    assertTimes((await stream(server, await readFile(recording))).finals);
  });

  it('leaves the times of the words after it right: WebRTC, with nothing sent in the pause', async () => {
    const client = new WebRtcClient();
    const { session_id: id } = await client.connect(server);
    const control = await joinControl(server, id);
    for (const speech of [first, second]) {
      if (speech === second) await client.rest(PAUSE_S * 1000);
      await client.send(opusPackets(await readFile(await convert(speech, 'ogg'))));
    }
    control.send({ type: 'close' });
    assert.equal(await control.closeCode(), 1000);
    await client.vanish();
    assertTimes(control.finals);
  });
});
