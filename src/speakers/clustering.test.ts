import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { groupVoices } from './clustering.ts';
import type { VoiceMeasure, Voiceprint } from './voice.ts';

/** Prints on a line: seconds, and seconds times place. One person's lie within 1. */
const onALine: VoiceMeasure = {
  id: 'line',
  merge: (a, b) => Float64Array.of(a[0]! + b[0]!, a[1]! + b[1]!),
  difference: (a, b) => Math.abs(a[1]! / a[0]! - b[1]! / b[0]!),
  speechSeconds: (print) => print[0]!,
};
const at = (place: number, seconds = 2): Voiceprint => Float64Array.of(seconds, seconds * place);

test('prints that are near are one voice, numbered by first appearance', () => {
  assert.deepEqual(groupVoices([at(9), at(1), at(9.4), at(1.3), at(0.8), at(5)], onALine), [0, 1, 0, 1, 1, 2]);
  assert.deepEqual(groupVoices([], onALine), []);
  assert.deepEqual(groupVoices([at(3)], onALine), [0]);
});

test('a syllable founds no voice: it goes to the nearest', () => {
  assert.deepEqual(groupVoices([at(0), at(4, 0.2), at(9), at(6, 0.2)], onALine), [0, 0, 1, 1]);
  assert.deepEqual(groupVoices([at(0), at(20, 0.8), at(0)], onALine), [0, 0, 0], 'nor does a stray phrase');
  assert.deepEqual(groupVoices([at(0, 0.1), at(9, 0.1)], onALine), [0, 1], 'where there is nothing else, it has to do');
});

test('whatever is grouped, each print has a group, and well-separated voices are found again, many prints included', () => {
  const voice = fc.record({ who: fc.nat(4), off: fc.double({ min: -0.2, max: 0.2, noNaN: true }) });
  fc.assert(
    fc.property(fc.array(voice, { minLength: 1, maxLength: 40 }), fc.constantFrom(1, 40), (said, times) => {
      const many = Array.from({ length: times }, () => said).flat();
      const groups = groupVoices(many.map(({ who, off }) => at(who * 10 + off)), onALine);
      const order = [...new Set(many.map(({ who }) => who))];
      assert.deepEqual(groups, many.map(({ who }) => order.indexOf(who)));
    }),
    { numRuns: 30 },
  );
});
