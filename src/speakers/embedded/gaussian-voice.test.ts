import assert from 'node:assert/strict';
import test from 'node:test';
import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import { joined, quiet } from '../../core/testing/audio.ts';
import { babble, HIGH, LOW, MIDDLE, randomFrom, type TestVoice } from '../testing/voices.ts';
import type { Voiceprint } from '../voice.ts';
import { Fourier } from './fourier.ts';
import { gaussianVoice, hearVoices, printOf } from './gaussian-voice.ts';
import { FEATURES, voicedFrames } from './voiced-frames.ts';

const printFrom = (samples: Int16Array): Voiceprint => printOf(voicedFrames(samples));

test('the transform is that of its definition', () => {
  const random = randomFrom(7);
  const input = Float64Array.from({ length: 16 }, random);
  const [real, imaginary] = [input.slice(), new Float64Array(16)];
  new Fourier(16).transform(real, imaginary);
  for (let k = 0; k < 16; k += 1) {
    const sum = (part: (angle: number) => number): number => input.reduce((total, value, n) => total + value * part((-2 * Math.PI * k * n) / 16), 0);
    assert.ok(Math.abs(real[k]! - sum(Math.cos)) < 1e-9 && Math.abs(imaginary[k]! - sum(Math.sin)) < 1e-9, `bin ${String(k)}`);
  }
});

test('the pitch of a voice is heard', () => {
  for (const voice of [LOW, MIDDLE, HIGH]) {
    const pitches = voicedFrames(babble(voice, 2)).map(({ features }) => Math.exp(features[FEATURES - 1]!)).toSorted((a, b) => a - b);
    const median = pitches[Math.floor(pitches.length / 2)]!;
    assert.ok(Math.abs(median / voice.pitchHz - 1) < 0.07, `${String(median)} Hz for ${String(voice.pitchHz)}`);
  }
});

test('silence, noise and next to nothing are no voice', () => {
  const random = randomFrom(3);
  const noise = Int16Array.from({ length: SAMPLE_RATE_HZ }, () => (random() - 0.5) * 10_000);
  for (const samples of [quiet(1000), new Int16Array(0), new Int16Array(100), Int16Array.from({ length: 16_000 }, () => 1)]) assert.deepEqual(hearVoices(samples), []);
  assert.ok(voicedFrames(noise).length < 5, 'hardly a frame of noise passes for voice');
});

test('a voice is alike itself whatever it says, and unlike others', () => {
  const voices: readonly TestVoice[] = [LOW, MIDDLE, HIGH];
  for (const [a, one] of voices.entries()) {
    for (const [b, other] of voices.entries()) {
      const difference = gaussianVoice.difference(printFrom(babble(one, 4, 1)), printFrom(babble(other, 4, 2)));
      assert.equal(difference < 1, a === b, `${String(a)} ${String(b)}: ${String(difference)}`);
    }
  }
});

test('two prints joined are the print of both', () => {
  const [a, b] = [voicedFrames(babble(LOW, 1, 1)), voicedFrames(babble(LOW, 1, 2))];
  const joinedPrint = gaussianVoice.merge(printOf(a), printOf(b));
  const both = printOf([...a, ...b]);
  for (const [index, value] of both.entries()) assert.ok(Math.abs(value - joinedPrint[index]!) < 1e-6 * Math.max(1, Math.abs(value)));
  assert.equal(gaussianVoice.difference(both, both), 0);
  assert.ok(Math.abs(gaussianVoice.speechSeconds(both) - (a.length + b.length) / 100) < 1e-9);
});

test('too little speech is unlike everything', () => {
  const frames = voicedFrames(babble(LOW, 1));
  assert.equal(gaussianVoice.difference(printOf(frames.slice(0, 3)), printOf(frames.slice(3, 6))), Infinity);
});

test('phrases lie where the speech is, end at pauses and are not long', () => {
  const samples = joined(quiet(500), babble(LOW, 1, 1), quiet(600), babble(HIGH, 8, 2), quiet(300));
  const phrases = hearVoices(samples);
  assert.ok(phrases.length >= 3);
  const [first, second] = phrases;
  assert.ok(Math.abs(first!.startSample - 8000) < 1600 && Math.abs(first!.endSample - 24_000) < 1600, JSON.stringify([first!.startSample, first!.endSample]));
  assert.ok(Math.abs(second!.startSample - 33_600) < 1600);
  for (const [index, phrase] of phrases.entries()) {
    assert.ok(phrase.endSample > phrase.startSample && phrase.endSample - phrase.startSample <= 3.1 * SAMPLE_RATE_HZ);
    assert.ok(index === 0 || phrase.startSample >= phrases[index - 1]!.endSample);
  }
});
