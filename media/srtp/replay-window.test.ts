import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ReplayWindow } from './replay-window.ts';

test('an index is fresh once, and only within the window', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 400 })), { maxLength: 300 }), (indices) => {
      const window = new ReplayWindow(64);
      const seen = new Set<number>();
      for (const index of indices) {
        const highest = Math.max(-1, ...seen);
        assert.equal(window.isFresh(index), !seen.has(index) && index > highest - 64);
        window.add(index);
        if (index > highest - 64) seen.add(index);
        assert.equal(window.highest, Math.max(-1, ...seen));
      }
    }),
  );
});
