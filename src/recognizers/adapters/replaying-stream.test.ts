import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import { EarshotError } from '../../core/errors.ts';
import type { Word } from '../../core/transcript.ts';
import { settle } from '../../core/testing/audio.ts';
import { ReplayingStream } from './replaying-stream.ts';
import { ModelPool } from './testing/model-pool.ts';

const FRAME = 512;

/** A stream into engines that the test works off, and a lane that writes numbered samples. */
async function rig(pool = new ModelPool()) {
  const interims: string[] = [];
  const recovered: number[] = [];
  const stream = new ReplayingStream(7, pool, {
    interim: (words) => interims.push(words.map(({ text }) => text).join(' ')),
    recovered: (samples) => recovered.push(samples),
  });
  await settle();
  let at = 0;
  const write = (frames = 1): Promise<void> => {
    let done = Promise.resolve();
    for (let count = 0; count < frames; count += 1) {
      const startSample = at;
      done = stream.write({ kind: 'pcm', startSample, samples: Int16Array.from({ length: FRAME }, (_, index) => (startSample + index) % 1000) });
      done.catch(() => undefined);
      at += FRAME;
    }
    return done;
  };
  /** Skips lane time. */
  const skip = (frames: number): void => void (at += frames * FRAME);
  return { pool, stream, write, skip, interims, recovered, position: () => at };
}

const textOf = (words: readonly Word[]): string => words.map(({ text }) => text).join(' ');

/** Whether a promise has resolved by now. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  await settle();
  return done;
}

test('what is written goes to the engine in order, and its words come back', async () => {
  const { pool, stream, write, position } = await rig();
  await write(4);
  stream.beginSegment(FRAME);
  await write(2);
  const words = stream.endSegment(position() - 100);
  assert.deepEqual(pool.engine.received.map(({ type }) => type), ['open', 'audio', 'audio', 'audio', 'audio', 'begin', 'audio', 'audio', 'end']);
  pool.engine.work();
  assert.match(textOf(await words), new RegExp(`^#0 ${String(5 * FRAME - 100)} `));
});

test('pauses of the open segment are told, and told again to the next process; outside a segment there are none', async () => {
  const { pool, stream, write } = await rig();
  stream.pauseSegment(0);
  await write(1);
  stream.beginSegment(0);
  stream.pauseSegment(FRAME);
  await write(1);
  stream.resumeSegment(FRAME);
  const told = ['open', 'audio', 'begin', 'pause', 'audio', 'resume'];
  assert.deepEqual(pool.engine.received.map(({ type }) => type), told);
  pool.engine.die();
  await settle();
  assert.deepEqual(pool.engine.received.map(({ type }) => type), told);
});

test('only the oldest unsettled segment has interims', async () => {
  const { pool, stream, write, interims, position } = await rig();
  await write(2);
  stream.beginSegment(0);
  const interim = (segment: number, text: string): void => pool.engine.say({ type: 'interim', stream: 7, segment, words: [{ text, startSample: 0, endSample: 1 }] });
  interim(0, 'one');
  const words = stream.endSegment(position());
  stream.beginSegment(position());
  interim(1, 'too early');
  interim(0, 'still');
  pool.engine.work();
  await words;
  interim(0, 'too late');
  interim(1, 'two');
  assert.deepEqual(interims, ['one', 'still', 'two']);
});

test('a write waits while the engine has three seconds unsearched', async () => {
  const { pool, write } = await rig();
  await write(93);
  const waiting = write();
  assert.equal(await isDone(waiting), false);
  pool.engine.work(2);
  assert.equal(await isDone(waiting), true);
});

test('what an engine searches twice gives no leave to write more', async () => {
  const { pool, write } = await rig();
  await write(10);
  pool.engine.work();
  pool.engine.say({ type: 'consumed', stream: 7, samples: 100 * FRAME });
  await write(93);
  assert.equal(await isDone(write()), false);
});

test('before there is an engine, a write waits just the same, and nothing is lost', async () => {
  const pool = new ModelPool();
  pool.hold();
  const { stream, write, position } = await rig(pool);
  stream.beginSegment(0);
  await write(93);
  const waiting = write(2);
  assert.equal(await isDone(waiting), false);
  pool.give();
  await settle();
  pool.engine.work();
  await waiting;
  const words = stream.endSegment(position());
  pool.engine.work();
  assert.match(textOf(await words), new RegExp(`^#0 ${String(95 * FRAME)} `));
});

test('an engine lost in the middle of a segment: the next is given exactly what was not settled', async () => {
  const { pool, stream, write, recovered, position } = await rig();
  await write(10);
  stream.beginSegment(2 * FRAME);
  await write(10);
  const first = stream.endSegment(position());
  pool.engine.work();
  await first;
  stream.beginSegment(position());
  await write(5);
  const before = pool.engine.received.length;
  pool.engine.die();
  assert.deepEqual(recovered, [], 'not yet');
  await settle();
  assert.equal(pool.engines.length, 2);
  const replayed = pool.engine.received;
  assert.ok(replayed.length < before);
  assert.deepEqual(replayed.filter(({ type }) => type !== 'audio').map(({ type }) => type), ['open', 'begin']);
  const open = replayed[0];
  assert.ok(open?.type === 'open');
  assert.equal(open.state?.segments, 1, 'with what the lane had taught the one before');
  pool.engine.work();
  assert.deepEqual(recovered, [pool.engine.receivedSamples]);
  const second = stream.endSegment(position());
  pool.engine.work();
  assert.match(textOf(await second), new RegExp(`^#1 ${String(5 * FRAME)} `));
  pool.engine.die();
  await settle();
  pool.engine.work();
  assert.equal(recovered.length, 1, 'nothing was open this time');
});

test('an engine lost in silence is replaced without a word, with what a segment may begin in', async () => {
  const { pool, stream, write, recovered, position } = await rig();
  for (let count = 0; count < 200; count += 1) {
    await write();
    pool.engine.work();
  }
  pool.engine.die();
  await settle();
  pool.engine.work();
  assert.deepEqual(recovered, []);
  assert.ok(pool.engine.receivedSamples >= 3 * SAMPLE_RATE_HZ);
  stream.beginSegment(position() - 3 * SAMPLE_RATE_HZ);
  const words = stream.endSegment(position());
  pool.engine.work();
  assert.match(textOf(await words), new RegExp(`^#0 ${String(3 * SAMPLE_RATE_HZ)} `));
});

test('whatever is lost and when, the words are those of an engine that never died', async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), frames: fc.integer({ min: 1, max: 30 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('segment' as const), frames: fc.integer({ min: 1, max: 40 }), back: fc.integer({ min: 0, max: 90 }), drawnBack: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('work' as const), count: fc.integer({ min: 1, max: 60 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('skip' as const), frames: fc.integer({ min: 1, max: 1000 }) }) },
    { weight: 2, arbitrary: fc.constant({ do: 'die' as const }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25, size: 'max' }), async (steps) => {
      const run = async (withDeaths: boolean): Promise<string[]> => {
        const { pool, stream, write, skip, position } = await rig();
        const settled: Promise<readonly Word[]>[] = [];
        let lastEnd = 0;
        let deaths = 0;
        for (const each of steps) {
          if (each.do === 'write') void write(each.frames);
          else if (each.do === 'skip') skip(each.frames);
          else if (each.do === 'work') pool.engine.work(each.count);
          else if (each.do === 'die') {
            // More would be the segment's own fault.
            if (withDeaths && deaths < 2) pool.engine.die();
            deaths += 1;
            await settle();
          } else {
            stream.beginSegment(Math.max(lastEnd, position() - each.back * FRAME));
            void write(each.frames);
            lastEnd = position() - Math.min(each.drawnBack, each.frames - 1) * FRAME;
            settled.push(stream.endSegment(lastEnd));
          }
        }
        await settle();
        pool.engine.work();
        const texts = (await Promise.all(settled)).map(textOf);
        await stream.close();
        return texts;
      };
      assert.deepEqual(await run(true), await run(false));
    }),
    { numRuns: 60 },
  );
});

test('a segment that takes down three engines is given up, and everybody who waits is told', async () => {
  const { pool, stream, write, recovered, position } = await rig();
  stream.beginSegment(0);
  await write(90);
  const words = assert.rejects(stream.endSegment(position()), { code: 'BACKEND_ERROR' });
  stream.beginSegment(position());
  const waiting = write(10);
  const blocked = assert.rejects(waiting, { code: 'BACKEND_ERROR' });
  for (let losses = 1; losses <= 3; losses += 1) {
    pool.engine.work(1);
    pool.engine.die();
    await settle();
  }
  await Promise.all([words, blocked]);
  assert.equal(pool.engines.length, 3);
  assert.equal(recovered.length, 2);
  await assert.rejects(write(), { code: 'BACKEND_ERROR' });
  await assert.rejects(stream.endSegment(position()), { code: 'BACKEND_ERROR' });
  await stream.close();
});

test('a segment that settled had no fault: losses are counted anew', async () => {
  const { pool, stream, write, position } = await rig();
  for (let segment = 0; segment < 5; segment += 1) {
    stream.beginSegment(position());
    await write(5);
    for (let losses = 0; losses < 2; losses += 1) {
      pool.engine.work(1);
      pool.engine.die();
      await settle();
    }
    const words = stream.endSegment(position());
    pool.engine.work();
    await words;
  }
});

test('engines that die before they answer are not this audio’s fault, and are told as one recovery', async () => {
  const { pool, stream, write, recovered, position } = await rig();
  stream.beginSegment(0);
  await write(5);
  pool.engine.work();
  for (let losses = 0; losses < 10; losses += 1) {
    pool.engine.die();
    await settle();
  }
  pool.engine.work();
  assert.equal(recovered.length, 1);
  const words = stream.endSegment(position());
  pool.engine.work();
  assert.equal((await words).length, 1);
});

test('a stream whose pool shuts down fails, with all who wait', async () => {
  const pool = new ModelPool();
  pool.hold();
  const { stream, write, position } = await rig(pool);
  stream.beginSegment(0);
  await write(2);
  const words = assert.rejects(stream.endSegment(position()), { code: 'BACKEND_ERROR' });
  pool.close();
  await words;
  await assert.rejects(write(), { code: 'BACKEND_ERROR' });
});

test('close frees the engine, wakes a waiting write and gives up what was awaited', async () => {
  const { pool, stream, write, position } = await rig();
  stream.beginSegment(0);
  const waiting = write(100);
  const words = assert.rejects(stream.endSegment(position()), { code: 'SESSION_CONFLICT' });
  await Promise.all([stream.close(), stream.close()]);
  await words;
  await waiting;
  assert.equal(pool.engine.received.at(-1)?.type, 'close');
  assert.equal(pool.engine.received.filter(({ type }) => type === 'close').length, 1);
  pool.engine.work();
  pool.engine.die();
  await write(200);
  await assert.rejects(stream.endSegment(position()), { code: 'SESSION_CONFLICT' });
  assert.equal(pool.engines.length, 1, 'a closed stream looks for no other engine');
});

test('close before an engine was found takes none', async () => {
  const pool = new ModelPool();
  pool.hold();
  const { stream } = await rig(pool);
  await stream.close();
  pool.give();
  await settle();
  assert.deepEqual(pool.engine.received, []);
});

test('an hour of silence, or of speech, is not kept', async () => {
  const hourFrames = (3600 * SAMPLE_RATE_HZ) / FRAME;
  const samples = new Int16Array(FRAME);
  for (const segmentFrames of [0, 400]) {
    const pool = new ModelPool();
    const stream = new ReplayingStream(7, pool, { interim: () => undefined, recovered: () => undefined });
    await settle();
    let open = false;
    let segments = 0;
    for (let frame = 0; frame < hourFrames; frame += 1) {
      void stream.write({ kind: 'pcm', startSample: frame * FRAME, samples });
      pool.engine.say({ type: 'consumed', stream: 7, samples: FRAME });
      if (segmentFrames > 0 && frame % segmentFrames === 0) {
        const position = (frame + 1) * FRAME;
        if (open) {
          const words = stream.endSegment(position);
          pool.engine.say({ type: 'settled', stream: 7, segment: segments, words: [], state: { segments: 0 } });
          await words;
          segments += 1;
        }
        stream.beginSegment(position);
        open = true;
      }
    }
    pool.engine.die();
    await settle();
    const limit = 3 * SAMPLE_RATE_HZ + (segmentFrames + 1) * FRAME;
    assert.ok(pool.engine.receivedSamples <= limit, `${String(pool.engine.receivedSamples)} samples were kept`);
    assert.ok(pool.engine.received.length < limit / FRAME + 4);
    await stream.close();
  }
});

test('an engine that does not start is told with its own code, to all who wait', async () => {
  const refusal = new EarshotError('MODEL_UNAVAILABLE', 'The model is corrupt.');
  const started = Promise.withResolvers<undefined>();
  const stream = new ReplayingStream<undefined>(7, { pick: () => started.promise }, { interim: () => undefined, recovered: () => undefined });
  stream.beginSegment(0);
  const words = assert.rejects(stream.endSegment(0), { code: 'MODEL_UNAVAILABLE' });
  started.reject(refusal);
  await words;
  await assert.rejects(stream.write({ kind: 'pcm', startSample: 0, samples: new Int16Array(FRAME) }), { code: 'MODEL_UNAVAILABLE' });
});

test('a lane is told to wait while words of a segment are due, or more speech than passes through an engine at a time', async () => {
  const changes: number[] = [];
  const pool = Object.assign(new ModelPool(), { waiting: (change: number) => void changes.push(change) });
  const { stream, write, position } = await rig(pool);
  await write(5);
  assert.deepEqual(changes, []);
  await write(10);
  assert.deepEqual(changes, [1]);
  pool.engine.work();
  assert.deepEqual(changes, [1, -1]);
  stream.beginSegment(0);
  const words = stream.endSegment(position());
  assert.deepEqual(changes, [1, -1, 1]);
  pool.engine.work();
  await words;
  await settle();
  assert.deepEqual(changes, [1, -1, 1, -1]);
  stream.beginSegment(position());
  const given = stream.endSegment(position());
  await Promise.all([stream.close(), assert.rejects(given)]);
  await settle();
  assert.deepEqual(changes, [1, -1, 1, -1, 1, -1]);
});
