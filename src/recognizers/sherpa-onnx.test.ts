import assert from 'node:assert/strict';
import { copyFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { SAMPLE_RATE_HZ } from '../core/audio.ts';
import type { RecognizerStream } from '../core/recognizer.ts';
import { joined, quiet } from '../core/testing/audio.ts';
import { eventually } from '../core/testing/eventually.ts';
import { textOf, type Word } from '../core/transcript.ts';
import { BatchHold } from './adapters/batch-hold.ts';
import { recognizerConformance, SUBJECT_LIVE_SESSIONS, type RecognizerSubject } from './conformance.ts';
import { SherpaOnnx } from './sherpa-onnx.ts';
import { moonshine } from './sherpa-onnx/testing/tiny-moonshine.ts';
import { streamingParaformer } from './sherpa-onnx/testing/tiny-paraformer.ts';
import { installed, recognizerOf, tone, TONES } from './sherpa-onnx/testing/models.ts';
import {
  type ModelFiles,
  nemoCtc,
  nemoTdt,
  senseVoice,
  streamingNemoCtc,
  streamingZipformerCtc,
  streamingZipformerTransducer,
  whisper,
  zipformerTransducer,
} from './sherpa-onnx/testing/tiny-models.ts';

const PUBLISHED: Readonly<Record<string, () => ModelFiles>> = {
  'sherpa-onnx-streaming-zipformer-ctc-small-2024-03-18': streamingZipformerCtc,
  'sherpa-onnx-streaming-zipformer-en-2023-06-26': streamingZipformerTransducer,
  'sherpa-onnx-nemo-streaming-fast-conformer-ctc-en-80ms': streamingNemoCtc,
  'sherpa-onnx-streaming-paraformer-bilingual-zh-en': streamingParaformer,
  'sherpa-onnx-nemo-fast-conformer-ctc-en-24500': nemoCtc,
  'sherpa-onnx-nemo-parakeet-tdt-0.6b-v2-int8': nemoTdt,
  'sherpa-onnx-zipformer-en-2023-06-26': zipformerTransducer,
  'sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17': senseVoice,
  'sherpa-onnx-whisper-tiny': whisper,
  'sherpa-onnx-moonshine-tiny-en-int8': moonshine,
};
const STREAMING = 'sherpa-onnx-streaming-zipformer-ctc-small-2024-03-18';
const SEGMENTS = 'sherpa-onnx-nemo-fast-conformer-ctc-en-24500';

for (const [name, files] of Object.entries(PUBLISHED)) {
  recognizerConformance(name, async (): Promise<RecognizerSubject> => {
    const recognizer = recognizerOf(name, files(), { maxLiveSessions: SUBJECT_LIVE_SESSIONS });
    await recognizer.ready('live');
    return { recognizer, speech: TONES, interimWithinMs: 10_000 };
  });

  test(`${name} hears the words that its bands stand for, where they were`, async (context) => {
    const recognizer = recognizerOf(name, files());
    context.after(() => recognizer.close());
    const lease = recognizer.admit('live');
    const words = await segment(lease.openStream(silent), TONES);
    assert.equal(textOf(words), 'low middle high');
    if (!recognizer.capabilities.wordTimes) {
      assert.ok(words.every(({ untimed, startSample, endSample }) => untimed && startSample === 0 && endSample === TONES.length));
    } else {
      // Where the tones begin.
      for (const [index, startMs] of [200, 700, 1300].entries()) {
        const { startSample } = words[index]!;
        assert.ok(Math.abs(startSample / 16 - startMs) <= 130, `${String(index)} at ${String(startSample / 16)} ms`);
      }
    }
    await lease.release();
  });
}

const silent = { interim: () => undefined, recovered: () => undefined };

/** Writes the samples in windows, as a lane does, and settles them as one segment. */
async function segment(stream: RecognizerStream, samples: Int16Array, startSample = 0): Promise<readonly Word[]> {
  stream.beginSegment(startSample);
  await write(stream, samples, startSample);
  return stream.endSegment(startSample + samples.length);
}

async function write(stream: RecognizerStream, samples: Int16Array, startSample: number): Promise<void> {
  for (let offset = 0; offset < samples.length; offset += 512) {
    await stream.write({ kind: 'pcm', startSample: startSample + offset, samples: samples.subarray(offset, offset + 512) });
  }
}

for (const [name, files] of Object.entries(PUBLISHED).filter(([each]) => each.includes('streaming'))) {
  test(`${name} hears a word to the end of its segment, wherever that lies in a chunk`, async (context) => {
    const recognizer = recognizerOf(name, files());
    context.after(() => recognizer.close());
    const lease = recognizer.admit('live');
    const pausesMs = Array.from({ length: 16 }, (_, index) => 200 + 40 * index);
    const heard = await Promise.all(pausesMs.map((pauseMs) => segment(lease.openStream(silent), joined(quiet(pauseMs), tone(0, 250), quiet(200), tone(3, 120)))));
    assert.deepEqual(heard.map(textOf), pausesMs.map(() => 'low high'));
    await lease.release();
  });
}

for (const name of [STREAMING, SEGMENTS]) {
  test(`${name}: what its process was told before it died is heard by the next`, async (context) => {
    const exits: number[] = [];
    const recognizer = recognizerOf(name, PUBLISHED[name]!(), { onEngineExit: ({ pid }) => exits.push(pid) });
    context.after(() => recognizer.close());
    await recognizer.ready('live');
    const recovered: number[] = [];
    const stream = recognizer.admit('live').openStream({ interim: () => undefined, recovered: (samples) => recovered.push(samples) });
    const half = TONES.length / 2;
    stream.beginSegment(0);
    await write(stream, TONES.subarray(0, half), 0);
    process.kill(recognizer.pids[0]!, 'SIGKILL');
    await eventually(() => recovered.length > 0);
    await write(stream, TONES.subarray(half), half);
    assert.equal(textOf(await stream.endSegment(TONES.length)), 'low middle high');
    assert.deepEqual([exits.length, recognizer.snapshot().restarts], [1, 1]);
  });

  test(`${name}: many lanes of one process hear what each would alone`, async (context) => {
    const recognizer = recognizerOf(name, PUBLISHED[name]!());
    context.after(() => recognizer.close());
    const lease = recognizer.admit('live');
    const orders = [[0], [3, 0], [1, 2, 3], [0, 1, 0, 3], [2, 2], []];
    const names = ['low', 'mid', 'dle', 'high'];
    const heard = await Promise.all(
      orders.map((order, lane) => segment(lease.openStream(silent), joined(quiet(100 + lane * 37), ...order.flatMap((index) => [tone(index, 250), quiet(200)]), quiet(300)))),
    );
    // The third token goes on in the word before it.
    const expected = orders.map((order) => order.map((index) => names[index]).join(' ').replaceAll(/(?<=\S) dle/g, 'dle'));
    assert.deepEqual(heard.map(textOf), expected);
  });
}

test('a cut in the middle of speech gives each word to one side', async (context) => {
  const recognizer = recognizerOf(STREAMING, streamingZipformerCtc());
  context.after(() => recognizer.close());
  const stream = recognizer.admit('live').openStream(silent);
  const cut = Math.round(0.6 * SAMPLE_RATE_HZ);
  stream.beginSegment(0);
  await write(stream, TONES, 0);
  const before = stream.endSegment(cut);
  stream.beginSegment(cut);
  const after = stream.endSegment(TONES.length);
  assert.deepEqual([textOf(await before), textOf(await after)], ['low', 'middle high']);
});

/** Ways in which a folder is no model, each of which ends the process that loads it. */
const BROKEN: Readonly<Record<string, (folder: string) => void>> = {
  'a file that breaks off': (folder) => truncateSync(join(folder, 'model.onnx'), 700),
  'an empty file': (folder) => truncateSync(join(folder, 'model.onnx'), 0),
  'a file of something else': (folder) => writeFileSync(join(folder, 'model.onnx'), 'this is no model '.repeat(99)),
  'a model of another kind': (folder) => writeFileSync(join(folder, 'model.onnx'), Object.values(whisper())[1]!),
  'tokens without a blank': (folder) => writeFileSync(join(folder, 'tokens.txt'), '▁low 0\n'),
  'a list of tokens that is none': (folder) => writeFileSync(join(folder, 'tokens.txt'), 'one two three four\n'),
};

for (const [what, spoil] of Object.entries(BROKEN)) {
  test(`${what} is told as MODEL_UNAVAILABLE, and harms nothing else`, async (context) => {
    const { model, folder } = installed(SEGMENTS, nemoCtc());
    spoil(folder);
    const reasons: string[] = [];
    const recognizer = new SherpaOnnx({ model, folder, onEngineExit: () => undefined, onEngineStartFailed: (reason) => reasons.push(reason) });
    context.after(() => recognizer.close());
    const words = segment(recognizer.admit('live').openStream(silent), TONES);
    await assert.rejects(words, { code: 'MODEL_UNAVAILABLE' });
    assert.equal(reasons.length, 1);
    assert.throws(() => recognizer.admit('batch'), { code: 'MODEL_UNAVAILABLE' });
    assert.equal(recognizer.snapshot().ready, false);
    await assert.rejects(recognizer.ready('live'), { code: 'MODEL_UNAVAILABLE' });
  });
}

test('a model that was mended is taken again', async (context) => {
  const { model, folder } = installed(SEGMENTS, nemoCtc());
  const file = join(folder, 'model.onnx');
  copyFileSync(file, `${file}.good`);
  truncateSync(file, 100);
  const recognizer = new SherpaOnnx({ model, folder, onEngineExit: () => undefined, onEngineStartFailed: () => undefined });
  context.after(() => recognizer.close());
  await assert.rejects(recognizer.ready('live'), { code: 'MODEL_UNAVAILABLE' });
  copyFileSync(`${file}.good`, file);
  await eventually(() => recognizer.snapshot().ready);
  assert.equal(textOf(await segment(recognizer.admit('live').openStream(silent), TONES)), 'low middle high');
});

test('batch work has a process of its own that gives way to live work', async (context) => {
  const recognizer = recognizerOf(STREAMING, streamingZipformerCtc());
  context.after(() => recognizer.close());
  const streams = (['live', 'batch'] as const).map((priority) => recognizer.admit(priority).openStream(silent));
  const [live, batch] = await Promise.all(streams.map((stream) => segment(stream, TONES)));
  assert.deepEqual(live, batch);
  assert.equal(new Set(recognizer.pids).size, 2);
});

for (const name of [STREAMING, SEGMENTS]) {
  test(`${name}: batch work begins nothing while a live lane of another engine waits, and goes on after`, async (context) => {
    const hold = new BatchHold();
    const [live, batch] = [recognizerOf(STREAMING, streamingZipformerCtc(), { hold }), recognizerOf(name, PUBLISHED[name]!(), { hold })];
    context.after(() => Promise.all([live.close(), batch.close()]));
    const [liveStream, batchStream] = [live.admit('live').openStream(silent), batch.admit('batch').openStream(silent)];
    await Promise.all([segment(liveStream, TONES), segment(batchStream, TONES)]);
    const startMs = performance.now();
    await segment(batchStream, TONES, TONES.length);
    const freeMs = performance.now() - startMs;

    // A live engine that is busy for as long as this test likes.
    const [livePid = 0] = live.pids;
    process.kill(livePid, 'SIGSTOP');
    const waiting = segment(liveStream, TONES, TONES.length);
    let isDone = false;
    const held = segment(batchStream, TONES, 2 * TONES.length).then((words) => {
      isDone = true;
      return words;
    });
    await pause(3 * freeMs);
    assert.equal(isDone, false, 'it would have been, three times over');
    process.kill(livePid, 'SIGCONT');
    assert.deepEqual((await Promise.all([waiting, held])).map(textOf), ['low middle high', 'low middle high']);
  });
}

/** The languages that a model says it found, segment by segment. */
async function languagesFound(recognizer: SherpaOnnx, segments: readonly Int16Array[], language?: string): Promise<string[]> {
  const found: string[] = [];
  const lease = recognizer.admit('live', { tenantId: 't', ...(language !== undefined && { language }) });
  const stream = lease.openStream({ ...silent, language: (code) => found.push(code) });
  let at = 0;
  for (const samples of segments) {
    await segment(stream, samples, at);
    at += samples.length;
  }
  await lease.release();
  return found;
}

test('a model that identifies the language tells it with each segment that has words', async (context) => {
  const recognizer = recognizerOf('sherpa-onnx-whisper-tiny', whisper(), { manifest: {} });
  context.after(() => recognizer.close());
  const [low, high] = [joined(tone(0, 400), quiet(200)), joined(tone(0, 200), tone(3, 300), quiet(200))];
  assert.deepEqual(await languagesFound(recognizer, [low, quiet(500), high, low]), ['en', 'de', 'en']);
  assert.deepEqual(await languagesFound(recognizer, [low, high], 'de'), [], 'what it was told it did not find');
  assert.deepEqual(await languagesFound(recognizer, [low]), ['en'], 'it is not told for ever');
});

test('so do tags of SenseVoice', async (context) => {
  const recognizer = recognizerOf('sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17', senseVoice(), { manifest: {} });
  context.after(() => recognizer.close());
  assert.deepEqual(await languagesFound(recognizer, [TONES]), ['en']);
});

test('a model of one language finds none', async (context) => {
  const recognizer = recognizerOf(SEGMENTS, nemoCtc());
  context.after(() => recognizer.close());
  assert.deepEqual(await languagesFound(recognizer, [TONES]), []);
});
