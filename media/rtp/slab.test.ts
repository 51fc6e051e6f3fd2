import assert from 'node:assert/strict';
import test from 'node:test';
import { Slab } from './slab.ts';

test('pieces lie behind each other, in a new slab where the old one is full, and never in two', () => {
  const slab = new Slab(10);
  assert.equal(slab.reserve(6), 0);
  const first = slab.memory;
  assert.equal(first.byteLength, 10);
  assert.equal(slab.reserve(4), 6);
  assert.equal(slab.memory, first);
  assert.equal(slab.reserve(1), 0);
  assert.notEqual(slab.memory, first);
  assert.equal(slab.reserve(10), 0);
});
