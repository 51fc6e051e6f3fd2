import assert from 'node:assert/strict';
import test from 'node:test';
import { SearchCost } from './search-cost.ts';

test('a process is taken to hold five talkers until speech was searched on it', () => {
  assert.equal(Math.floor(new SearchCost().streamsPerProcess), 5);
});

test('a slow machine holds fewer, a fast one more, within bounds', () => {
  const after = (costs: number): number => {
    const cost = new SearchCost();
    for (let i = 0; i < 300; i += 1) cost.add(4000 * costs, 4000);
    return cost.streamsPerProcess;
  };
  assert.ok(Math.abs(after(0.34) - 2.5) < 0.01);
  assert.ok(Math.abs(after(0.1) - 8.5) < 0.01);
  assert.deepEqual([after(0.001), after(50)], [10, 1]);
});

test('one dear segment does not turn the measure, a minute of them half', () => {
  const cost = new SearchCost();
  cost.add(4000, 2000);
  assert.ok(cost.streamsPerProcess > 4);
  const other = new SearchCost();
  for (let i = 0; i < 60; i += 1) other.add(510, 1000);
  assert.ok(Math.abs(other.streamsPerProcess - 0.85 / 0.3375) < 0.01);
  cost.add(0, 0);
  assert.ok(Number.isFinite(cost.streamsPerProcess));
});
