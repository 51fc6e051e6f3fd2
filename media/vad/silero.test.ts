import assert from 'node:assert/strict';
import test from 'node:test';
import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';
import { DETECTOR_WINDOW_SAMPLES, type SpeechDetector } from '../../src/core/speech-detector.ts';
import { spoken } from '../../src/core/testing/spoken.ts';
import { createSileroDetectors } from './silero.ts';

const SENTENCE = spoken('The quick brown fox jumps over the lazy dog.');

/** White noise, the same every time. */
function noise(samples: number, amplitude: number): Int16Array {
  let state = 1;
  return Int16Array.from({ length: samples }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.round((state / 2 ** 31 - 1) * amplitude);
  });
}

/** The verdict on each whole window. */
function verdicts(detector: SpeechDetector, samples: Int16Array): boolean[] {
  return Array.from({ length: Math.floor(samples.length / DETECTOR_WINDOW_SAMPLES) }, (_, index) =>
    detector.isSpeech(samples.subarray(index * DETECTOR_WINDOW_SAMPLES, (index + 1) * DETECTOR_WINDOW_SAMPLES)),
  );
}

const share = (judged: readonly boolean[]): number => judged.filter(Boolean).length / judged.length;
const padded = (samples: Int16Array, seconds: number): Int16Array => {
  const pad = Math.round(seconds * SAMPLE_RATE_HZ);
  const out = new Int16Array(samples.length + 2 * pad);
  out.set(samples, pad);
  return out;
};

test('a sentence is speech, the silence around it is not', () => {
  const detector = createSileroDetectors({ spare: 1 })();
  const judged = verdicts(detector, padded(SENTENCE, 1));
  const windows = Math.round(SAMPLE_RATE_HZ / DETECTOR_WINDOW_SAMPLES);
  assert.equal(share(judged.slice(0, windows - 1)), 0);
  assert.ok(share(judged.slice(windows, -windows)) > 0.85);
  // It hears the end of speech a few windows late.
  assert.equal(share(judged.slice(-windows + 10)), 0);
  const first = judged.indexOf(true);
  assert.ok(first >= windows && first <= windows + 10, `speech was noticed at window ${first}`);
  detector.close();
});

test('silence, noise and clicks are not speech', () => {
  const detector = createSileroDetectors({ spare: 1 })();
  const clicks = Int16Array.from({ length: 5 * SAMPLE_RATE_HZ }, (_, index) => (index % SAMPLE_RATE_HZ < 20 ? 20_000 : 0));
  for (const [name, samples] of Object.entries({
    'digital silence': new Int16Array(10 * SAMPLE_RATE_HZ),
    'a quiet room': noise(10 * SAMPLE_RATE_HZ, 30),
    'loud noise': noise(10 * SAMPLE_RATE_HZ, 5000),
    clicks,
  })) {
    assert.equal(share(verdicts(detector, samples)), 0, name);
    detector.reset();
  }
  detector.close();
});

test('speech without a pause is speech to its end, however long', () => {
  const detector = createSileroDetectors({ spare: 1 })();
  const voiced = SENTENCE.subarray(0, Math.floor(SENTENCE.length / DETECTOR_WINDOW_SAMPLES) * DETECTOR_WINDOW_SAMPLES);
  const minute = new Int16Array(voiced.length * Math.ceil((60 * SAMPLE_RATE_HZ) / voiced.length));
  for (let offset = 0; offset < minute.length; offset += voiced.length) minute.set(voiced, offset);
  const judged = verdicts(detector, minute);
  assert.ok(share(judged) > 0.85, String(share(judged)));
  assert.ok(share(judged.slice(-300)) > 0.85);
  detector.close();
});

test('a detector that was used before judges like a new one', () => {
  const create = createSileroDetectors({ spare: 1 });
  const speech = padded(SENTENCE, 0.3);
  const first = create();
  const fresh = verdicts(first, speech);
  first.close();
  // Left in the middle of speech, and in the middle of noise.
  for (const before of [SENTENCE.subarray(0, 20_000), noise(30_000, 5000), SENTENCE]) {
    const used = create();
    verdicts(used, before);
    used.close();
    const again = create();
    assert.deepEqual(verdicts(again, speech), fresh);
    again.close();
  }
});

test('a reset forgets what was heard', () => {
  const detector = createSileroDetectors({ spare: 1 })();
  const fresh = verdicts(detector, SENTENCE);
  assert.equal(fresh.at(-1), true);
  detector.reset();
  assert.equal(detector.isSpeech(new Int16Array(DETECTOR_WINDOW_SAMPLES)), false);
  detector.reset();
  assert.deepEqual(verdicts(detector, SENTENCE), fresh);
  detector.close();
});

test('detectors at work at the same time do not hear each other', () => {
  const create = createSileroDetectors({ spare: 1 });
  const [one, two] = [create(), create()];
  const silence = new Int16Array(DETECTOR_WINDOW_SAMPLES);
  for (let offset = 0; offset + DETECTOR_WINDOW_SAMPLES <= SENTENCE.length; offset += DETECTOR_WINDOW_SAMPLES) {
    one.isSpeech(SENTENCE.subarray(offset, offset + DETECTOR_WINDOW_SAMPLES));
    assert.equal(two.isSpeech(silence), false);
  }
  one.close();
  two.close();
});

test('a closed detector hears nothing and is given back once', () => {
  const create = createSileroDetectors({ spare: 1 });
  const closed = create();
  closed.close();
  closed.close();
  assert.equal(share(verdicts(closed, SENTENCE)), 0);
  const [one, two] = [create(), create()];
  const heard = verdicts(one, SENTENCE.subarray(0, 16_000));
  assert.ok(share(heard) > 0.5);
  assert.equal(share(verdicts(two, new Int16Array(16_000))), 0, 'not the same one twice');
  one.close();
  two.close();
});
