import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { EarshotError } from './core/errors.ts';
import { joined, quiet } from './core/testing/audio.ts';
import { speakerModels } from './recognizers/sherpa-onnx/testing/tiny-speaker-models.ts';
import { streamingZipformerCtc, TONES_HZ, writeModel, type ModelFiles } from './recognizers/sherpa-onnx/testing/tiny-models.ts';
import { createSpeakerEngine } from './speakers/engine-client.ts';
import type { SpeakerEngine } from './speakers/speaker-engine.ts';
import { VoiceAttribution } from './speakers/voice-attribution.ts';

/* sherpa-onnx's own code on tiny models to whom a tone is a voice: what is loaded, computed and reported is real, only nobody trained it. */

const root = mkdtempSync(join(tmpdir(), 'earshot-speaker-models-'));
after(() => {
  rmSync(root, { recursive: true });
});
let folders = 0;

function engineWith(t: TestContext, files: ModelFiles): { readonly engine: SpeakerEngine; readonly exits: object[] } {
  const exits: object[] = [];
  const engine = createSpeakerEngine({ modelFolder: writeModel(join(root, String((folders += 1))), files), onExit: (exit) => exits.push(exit) });
  t.after(() => engine.close());
  return { engine, exits };
}

function tone(hz: number, ms: number): Int16Array {
  return Int16Array.from({ length: ms * 16 }, (_, at) => Math.round(10_000 * Math.sin((2 * Math.PI * hz * at) / 16_000)));
}

const [LOW, HIGH] = TONES_HZ;
const DIALOGUE = joined(quiet(500), tone(LOW, 2000), quiet(800), tone(HIGH, 1500), quiet(800), tone(LOW, 1200), quiet(500));
const TURNS_MS = [
  [500, 2500],
  [3300, 4800],
  [5600, 6800],
] as const;
/** The network looks at frames of 17 ms with a field of 62. */
const TOLERANCE_MS = 80;

function assertTurns(heard: readonly { readonly startSample: number; readonly endSample: number }[]): void {
  assert.equal(heard.length, TURNS_MS.length, JSON.stringify(heard.map(({ startSample, endSample }) => [startSample / 16, endSample / 16])));
  for (const [index, [startMs, endMs]] of TURNS_MS.entries()) {
    const { startSample, endSample } = heard[index]!;
    assert.ok(Math.abs(startSample / 16 - startMs) < TOLERANCE_MS && Math.abs(endSample / 16 - endMs) < TOLERANCE_MS, `turn ${String(index)}: ${String(startSample / 16)} to ${String(endSample / 16)} ms`);
  }
}

test('segmentation finds the turns, embeddings tell whose they are', async (t) => {
  const { engine } = engineWith(t, speakerModels());
  const heard = await engine.listen(DIALOGUE);
  assertTurns(heard);
  const prints = heard.map(({ print }) => print);
  assert.deepEqual(await engine.group(prints), [0, 1, 0]);
  const { measure } = engine;
  assert.ok(measure.difference(prints[0]!, prints[2]!) < 0.2 && measure.difference(prints[0]!, prints[1]!) > 1);
  assert.ok(Math.abs(measure.speechSeconds(measure.merge(prints[0]!, prints[2]!)) - 3.2) < 0.2);
});

test('a recording longer than the window of the segmentation is heard to its end', async (t) => {
  const { engine } = engineWith(t, speakerModels());
  const heard = await engine.listen(joined(DIALOGUE, quiet(9000), DIALOGUE));
  assert.equal(heard.length, 6);
  assert.deepEqual(await engine.group(heard.map(({ print }) => print)), [0, 1, 0, 0, 1, 0]);
});

test('without a segmentation model the embedded cuts are used', async (t) => {
  const { 'embedding.onnx': embedding } = speakerModels();
  const { engine } = engineWith(t, { 'embedding.onnx': embedding ?? '' });
  // Its cuts follow voices with a pitch; a tone of 440 Hz is none, and that is an answer too.
  assert.deepEqual(await engine.listen(quiet(1000)), []);
  for (const { startSample, endSample } of await engine.listen(DIALOGUE)) assert.ok(endSample > startSample);
});

test('silence and too little have no voice', async (t) => {
  const { engine } = engineWith(t, speakerModels());
  assert.deepEqual([await engine.listen(quiet(3000)), await engine.listen(new Int16Array(0)), await engine.listen(tone(LOW, 200))], [[], [], []]);
});

test('words are labelled by these voices, and by the name of one that is known', async (t) => {
  const { engine } = engineWith(t, speakerModels());
  const [enrolled] = await engine.listen(tone(LOW, 3000));
  const attribution = new VoiceAttribution({ engine, knownVoices: () => Promise.resolve([{ speakerId: 'spk_a', displayName: 'Alice', print: enrolled!.print }]), onFault: (error) => assert.fail(String(error)) });
  attribution.laneOpened(0);
  const words = TURNS_MS.map(([startMs, endMs], index) => ({ text: `w${String(index)}`, startSample: startMs * 16, endSample: endMs * 16 }));
  const utterance = { id: 'L0-U0', laneIndex: 0, text: 'w0 w1 w2', words, startSample: 0, endSample: DIALOGUE.length, stableWords: 3 };
  const [labelled] = await attribution.conclude([await attribution.attribute(utterance, { kind: 'pcm', startSample: 0, samples: DIALOGUE })]);
  assert.deepEqual(labelled?.words.map(({ speaker }) => [speaker?.label, speaker?.speakerId]), [['Alice', 'spk_a'], ['SPEAKER_00', null], ['Alice', 'spk_a']]);
});

const MODELS = speakerModels();
const FAULTS: Readonly<Record<string, ModelFiles>> = {
  'an embedding model that is missing': { 'segmentation.onnx': MODELS['segmentation.onnx'] ?? '' },
  'an embedding model that is cut off': { 'embedding.onnx': (MODELS['embedding.onnx'] as Buffer).subarray(0, 400) },
  'an embedding model that is text': { 'embedding.onnx': 'Not found' },
  'an embedding model that is a segmentation': { 'embedding.onnx': MODELS['segmentation.onnx'] ?? '' },
  'an embedding model that recognizes speech': { 'embedding.onnx': Object.values(streamingZipformerCtc())[0] ?? '' },
  'a segmentation model that is empty': { ...MODELS, 'segmentation.onnx': '' },
  'a segmentation model that is an embedding': { ...MODELS, 'segmentation.onnx': MODELS['embedding.onnx'] ?? '' },
};

for (const [name, files] of Object.entries(FAULTS)) {
  test(`${name} ends its process, and the question is answered with BACKEND_UNAVAILABLE`, async (t) => {
    const { engine, exits } = engineWith(t, files);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await assert.rejects(engine.listen(DIALOGUE), (error) => error instanceof EarshotError && error.code === 'BACKEND_UNAVAILABLE');
    }
    assert.equal(exits.length, 2);
  });
}
