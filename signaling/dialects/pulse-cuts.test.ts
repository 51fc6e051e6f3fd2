import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { textOf, type Utterance } from '../../src/core/transcript.ts';
import { WordCuts } from './pulse-cuts.ts';

const utteranceOf = (count: number, settledWords: number): Utterance => {
  const words = Array.from({ length: count }, (_, index) => ({ text: `w${String(index)}`, startSample: index * 100, endSample: index * 100 + 90 }));
  return { id: 'L0-U0', laneIndex: 0, text: textOf(words), words, startSample: 0, endSample: count * 100, stableWords: settledWords, settledWords };
};

test('whatever settles when, the pieces and the last rest are the utterance, and no piece is longer than was asked for', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.nat(20), fc.array(fc.tuple(fc.nat(20), fc.boolean())), (maxWords, count, interims) => {
      const cuts = new WordCuts(maxWords, true);
      const told: Utterance[] = [];
      for (const [settled, isHeld] of interims.map(([each, held]) => [Math.min(each, count), held] as const).toSorted(([a], [b]) => a - b)) {
        const { pieces, rest } = cuts.interim(utteranceOf(count, settled), isHeld);
        told.push(...pieces);
        assert.equal(told.flatMap(({ words }) => words).length + rest.words.length, count);
      }
      const { pieces, rest } = cuts.final(utteranceOf(count, count));
      told.push(...pieces, rest);
      assert.equal(told.map(({ text }) => text).join(' ').trim(), utteranceOf(count, count).text);
      assert.ok(told.every(({ words }) => words.length <= maxWords));
      assert.ok(told.every(({ startSample }, index) => startSample >= (told[index - 1]?.endSample ?? 0)));
    }),
  );
});
