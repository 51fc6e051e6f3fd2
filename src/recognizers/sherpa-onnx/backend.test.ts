import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { loadConfig } from '../../config/config.ts';
import type { Backend } from '../../core/backend.ts';
import { textOf } from '../../core/transcript.ts';
import { createSherpaOnnxBackend } from './backend.ts';
import { TONES } from './testing/models.ts';
import { ctTransformer } from './testing/tiny-punctuation.ts';
import { nemoCtc, streamingZipformerCtc, streamingZipformerTransducer, writeModel } from './testing/tiny-models.ts';

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A backend over a data folder of its own. */
function rig(context: TestContext): { readonly backend: Backend; readonly models: string } {
  const dataDir = mkdtempSync(join(tmpdir(), 'earshot-data-'));
  const backend = createSherpaOnnxBackend({ config: { ...loadConfig({}), dataDir }, log });
  context.after(async () => {
    await backend.close();
    rmSync(dataDir, { recursive: true });
  });
  return { backend, models: join(dataDir, 'models') };
}

const STREAMING = 'sherpa-onnx-streaming-zipformer-en-2023-06-26';
const SEGMENTS = 'sherpa-onnx-nemo-fast-conformer-ctc-en-24500';

test('where no model is installed there is no offer, and it says so', async (context) => {
  const { backend } = rig(context);
  assert.deepEqual(await backend.offers('t'), []);
  assert.deepEqual([backend.snapshot().ready, backend.snapshot().reason], [false, 'no model is installed']);
  await assert.rejects(backend.ready('live'), { code: 'BACKEND_UNAVAILABLE' });
});

test('live work is offered to streaming models first, files to those that take whole stretches', async (context) => {
  const { backend, models } = rig(context);
  writeModel(join(models, STREAMING), streamingZipformerTransducer());
  writeModel(join(models, SEGMENTS), nemoCtc());
  writeModel(join(models, 'somebody-streaming-zipformer'), streamingZipformerCtc());
  mkdirSync(join(models, 'holiday-pictures'));
  const offers = await backend.offers('t');
  const order = (priority: 'live' | 'batch'): string[] => offers.toSorted((a, b) => b.rank[priority] - a.rank[priority]).map(({ model }) => model);
  assert.deepEqual(order('live'), [STREAMING, SEGMENTS, 'somebody-streaming-zipformer']);
  assert.deepEqual(order('batch'), [SEGMENTS, STREAMING, 'somebody-streaming-zipformer']);
  assert.ok(offers.every(({ rank }) => rank.live > 0), 'each may be named');
});

test('a manifest may rank its model', async (context) => {
  const { backend, models } = rig(context);
  writeModel(join(models, SEGMENTS), { ...nemoCtc(), 'manifest.json': '{"rank": {"live": 99}}' });
  const [offer] = await backend.offers('t');
  assert.deepEqual([offer?.rank.live, offer?.recognizer.capabilities.languages], [99, ['en']]);
});

test('finals get the marks of an installed punctuation model that knows the language, interims none; a punctuation model is no offer', async (context) => {
  const { backend, models } = rig(context);
  writeModel(join(models, STREAMING), streamingZipformerTransducer());
  writeModel(join(models, SEGMENTS), nemoCtc());
  writeModel(join(models, 'somebody-parakeet'), { ...nemoCtc(), 'manifest.json': '{"languages": ["en", "de"]}' });
  writeModel(join(models, 'sherpa-onnx-punct-ct-transformer-zh-en-vocab272727-2024-04-12'), ctTransformer());
  const offers = await backend.offers('t');
  const heard = await Promise.all(
    offers.map(async ({ model, recognizer }) => {
      const interims: string[] = [];
      const stream = recognizer.admit('batch').openStream({ interim: (words) => interims.push(textOf(words)), recovered: () => undefined });
      stream.beginSegment(0);
      await stream.write({ kind: 'pcm', startSample: 0, samples: TONES });
      const words = await stream.endSegment(TONES.length);
      assert.doesNotMatch(interims.join(), /[，。]/);
      return [model, textOf(words)];
    }),
  );
  assert.deepEqual(Object.fromEntries(heard), { [STREAMING]: 'low middle， high。', [SEGMENTS]: 'low middle， high。', 'somebody-parakeet': 'low middle high' });
});

test('what is installed or removed while it runs is noticed', async (context) => {
  const { backend, models } = rig(context);
  mkdirSync(models, { recursive: true });
  assert.deepEqual(await backend.offers('t'), []);
  writeModel(join(models, '.unpacking'), nemoCtc());
  renameSync(join(models, '.unpacking'), join(models, SEGMENTS));
  const [first] = await backend.offers('t');
  assert.equal(first?.model, SEGMENTS);
  const [again] = await backend.offers('t');
  assert.equal(again?.recognizer, first.recognizer, 'a model that stays keeps its recognizer');
  rmSync(join(models, SEGMENTS), { recursive: true });
  assert.deepEqual(await backend.offers('t'), []);
});

test('ready loads the best model, and tells why it cannot', async (context) => {
  const { backend, models } = rig(context);
  writeModel(join(models, SEGMENTS), nemoCtc());
  await backend.ready('batch');
  assert.equal(backend.snapshot().ready, true);
  writeModel(join(models, STREAMING), streamingZipformerTransducer());
  truncateSync(join(models, STREAMING, 'joiner-epoch-99-avg-1-chunk-16-left-128.int8.onnx'), 10);
  await assert.rejects(backend.ready('live'), { code: 'BACKEND_UNAVAILABLE', message: new RegExp(STREAMING) });
  assert.equal(backend.snapshot().ready, true, 'the other one still is');
});

test('a manifest that is wrong leaves its model out and harms no other', async (context) => {
  const { backend, models } = rig(context);
  writeModel(join(models, SEGMENTS), nemoCtc());
  writeModel(join(models, STREAMING), streamingZipformerTransducer());
  writeFileSync(join(models, STREAMING, 'manifest.json'), '{"rank": "best"}');
  assert.deepEqual((await backend.offers('t')).map(({ model }) => model), [SEGMENTS]);
});
