import assert from 'node:assert/strict';
import test from 'node:test';
import { WindowedMinimum } from './windowed-minimum.ts';

test('the least of the last while is known, by quarters of it', () => {
  const minimum = new WindowedMinimum(400);
  assert.equal(minimum.value, undefined);
  const seen = [[5, 0], [3, 50], [7, 120], [8, 230], [9, 340], [9, 450]].map(([value = 0, nowMs = 0]) => {
    minimum.add(value, nowMs);
    return minimum.value;
  });
  assert.deepEqual(seen, [5, 3, 3, 3, 3, 7]);
});

test('after a silence longer than the window the last value holds until the next', () => {
  const minimum = new WindowedMinimum(400);
  minimum.add(-4, 0);
  minimum.add(6, 100);
  assert.equal(minimum.value, -4);
  for (const nowMs of [5000, 5100, 5200]) minimum.add(8, nowMs);
  assert.equal(minimum.value, 6);
  minimum.add(9, 5300);
  assert.equal(minimum.value, 8);
});

test('values move with their axis, and are forgotten', () => {
  const minimum = new WindowedMinimum(400);
  minimum.shift(3);
  assert.equal(minimum.value, undefined);
  for (const nowMs of [0, 100]) minimum.add(nowMs, nowMs);
  minimum.shift(-10);
  assert.equal(minimum.value, -10);
  for (const nowMs of [200, 300, 400]) minimum.add(200, nowMs);
  assert.equal(minimum.value, 90);
  minimum.clear();
  assert.equal(minimum.value, undefined);
  minimum.add(500, 401);
  assert.equal(minimum.value, 500);
});
