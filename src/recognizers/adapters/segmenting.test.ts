import assert from 'node:assert/strict';
import test from 'node:test';
import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import { ManualClock } from '../../core/clock.ts';
import { MAX_LOOK_BACK_SAMPLES } from '../../core/recognizer.ts';
import { settle } from '../../core/testing/audio.ts';
import { textOf, type Word } from '../../core/transcript.ts';
import { type Heard, SegmentingStream } from './segmenting.ts';

const SECOND = SAMPLE_RATE_HZ;

/** An engine that hears one word, named by length and sum of what it was given; it answers when the test says so. */
class SumEngine {
  isBusy = false;
  readonly asked: Int16Array[] = [];
  readonly #answers: PromiseWithResolvers<Heard>[] = [];

  transcribe(samples: Int16Array): Promise<Heard> {
    this.asked.push(samples);
    const answer = Promise.withResolvers<Heard>();
    this.#answers.push(answer);
    return answer.promise;
  }

  async answer(): Promise<void> {
    const samples = this.asked.at(-this.#answers.length);
    const answer = this.#answers.shift();
    if (!samples || !answer) throw new Error('nothing was asked');
    const text = `${String(samples.length)}:${String(samples.reduce((sum, each) => sum + each, 0))}`;
    answer.resolve({ words: [{ text, startSample: 0, endSample: samples.length + 99, confidence: 0.5 }] });
    await settle();
  }

  async fail(): Promise<void> {
    this.#answers.shift()?.reject(new Error('no'));
    await settle();
  }
}

function rig(interims = true) {
  const engine = new SumEngine();
  const clock = new ManualClock();
  const told: (readonly Word[])[] = [];
  const stream = new SegmentingStream({ engine, clock, interims }, { interim: (words) => told.push(words) });
  let at = 0;
  const write = async (seconds: number, value = 1): Promise<void> => {
    for (let tenth = 0; tenth < Math.round(seconds * 10); tenth += 1) {
      const samples = new Int16Array(SECOND / 10).fill(value);
      void stream.write({ kind: 'pcm', startSample: at, samples });
      at += samples.length;
    }
    await settle();
  };
  return { engine, clock, told, stream, write, position: () => at };
}

test('a segment is transcribed whole when it ends, and its words lie in it', async () => {
  const { engine, stream, write } = rig(false);
  await write(1, 5);
  stream.beginSegment(SECOND / 2);
  await write(1, 3);
  const words = stream.endSegment(SECOND * 1.5);
  await settle();
  await engine.answer();
  assert.deepEqual(await words, [{ text: `16000:${String(8000 * 5 + 8000 * 3)}`, startSample: SECOND / 2, endSample: SECOND * 1.5, confidence: 0.5 }]);
});

test('segments are transcribed one after the other, in order', async () => {
  const { engine, stream, write, position } = rig(false);
  const words: Promise<readonly Word[]>[] = [];
  for (let value = 1; value <= 2; value += 1) {
    stream.beginSegment(position());
    await write(1, value);
    words.push(stream.endSegment(position()));
  }
  await settle();
  assert.equal(engine.asked.length, 1);
  await engine.answer();
  assert.equal(engine.asked.length, 2);
  await engine.answer();
  assert.deepEqual((await Promise.all(words)).map(textOf), ['16000:16000', '16000:32000']);
});

test('what is shorter than a word is not even asked for', async () => {
  const { engine, stream, write, position } = rig(false);
  await write(1);
  stream.beginSegment(position() - 1000);
  assert.deepEqual(await stream.endSegment(position()), []);
  assert.equal(engine.asked.length, 0);
});

test('interims come once a second of new audio is there, without confidences', async () => {
  const { engine, told, stream, write } = rig();
  stream.beginSegment(0);
  await write(0.9);
  assert.equal(engine.asked.length, 0);
  await write(0.1);
  await engine.answer();
  assert.deepEqual(told, [[{ text: '16000:16000', startSample: 0, endSample: SECOND }]]);
});

test('interims take at most a fifth of the time', async () => {
  const { engine, clock, told, stream, write } = rig();
  stream.beginSegment(0);
  await write(1);
  clock.advance(500);
  await engine.answer();
  await write(3);
  clock.advance(1999);
  await settle();
  assert.equal(engine.asked.length, 1);
  clock.advance(1);
  await settle();
  assert.equal(engine.asked.length, 2, 'it looks again by itself as soon as it may');
  await engine.answer();
  assert.equal(told.at(-1)?.[0]?.text, '64000:64000');
});

test('interims wait while the engine has other work', async () => {
  const { engine, clock, told, stream, write } = rig();
  engine.isBusy = true;
  stream.beginSegment(0);
  await write(2);
  assert.equal(engine.asked.length, 0);
  engine.isBusy = false;
  clock.advance(1000);
  await settle();
  await engine.answer();
  assert.equal(told.length, 1);
});

test('an interim that comes after its segment has ended is not told, and one that fails harms nothing', async () => {
  const { engine, told, stream, write, position } = rig();
  stream.beginSegment(0);
  await write(1);
  const words = stream.endSegment(position());
  await settle();
  await engine.fail();
  await engine.answer();
  assert.deepEqual([textOf(await words), told], ['16000:16000', []]);
});

test('what the engine fails on is told to who waits for the words', async () => {
  const { engine, stream, write, position } = rig(false);
  stream.beginSegment(0);
  await write(1);
  const words = assert.rejects(stream.endSegment(position()), /no/);
  await settle();
  await engine.fail();
  await words;
});

test('a lane that is far ahead of the engine is paused', async () => {
  const { engine, stream, write, position } = rig(false);
  for (let segment = 0; segment < 3; segment += 1) {
    stream.beginSegment(position());
    await write(1);
    void stream.endSegment(position());
  }
  let isOn = false;
  void stream.write({ kind: 'pcm', startSample: position(), samples: new Int16Array(512) }).then(() => (isOn = true));
  await settle();
  assert.equal(isOn, false);
  for (let segment = 0; segment < 3; segment += 1) await engine.answer();
  assert.equal(isOn, true);
});

test('close gives up what is awaited, and asks for nothing more', async () => {
  const { engine, clock, told, stream, write, position } = rig();
  stream.beginSegment(0);
  await write(1);
  const words = assert.rejects(stream.endSegment(position()), { code: 'SESSION_CONFLICT' });
  await Promise.all([stream.close(), stream.close()]);
  await words;
  await engine.answer();
  clock.advance(10_000);
  await write(5);
  assert.deepEqual([engine.asked.length, told], [1, []]);
  await assert.rejects(stream.endSegment(position()), { code: 'SESSION_CONFLICT' });
});

test('silence is not kept longer than a segment may look back', async () => {
  const { engine, stream, write, position } = rig(false);
  await write(10, 7);
  stream.beginSegment(position() - 2 * MAX_LOOK_BACK_SAMPLES);
  const words = stream.endSegment(position());
  await settle();
  await engine.answer();
  assert.match(textOf(await words), new RegExp(`:${String(MAX_LOOK_BACK_SAMPLES * 7)}$`));
});

test('the language that the engine found is told with the final, not with interims', async () => {
  const found: string[] = [];
  const engine = { isBusy: false, transcribe: async (samples: Int16Array): Promise<Heard> => ({ words: [{ text: 'a', startSample: 0, endSample: samples.length }], language: 'fr' }) };
  const stream = new SegmentingStream({ engine, clock: new ManualClock() }, { interim: () => found.push('interim'), language: (code) => found.push(code) });
  stream.beginSegment(0);
  await stream.write({ kind: 'pcm', startSample: 0, samples: new Int16Array(SECOND) });
  await settle();
  assert.deepEqual(found, ['interim']);
  await stream.endSegment(SECOND);
  assert.deepEqual(found, ['interim', 'fr']);
});
