import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AudioRing } from './audio-ring.ts';

test('what was appended is read back from any sample on', () => {
  const ring = new AudioRing(100);
  ring.append(Int16Array.of(0, 1, 2));
  ring.append(Int16Array.of(3, 4));
  assert.deepEqual(ring.chunkAt(0), Int16Array.of(0, 1, 2));
  assert.deepEqual(ring.chunkAt(2), Int16Array.of(2));
  assert.deepEqual(ring.chunkAt(3), Int16Array.of(3, 4));
  assert.equal(ring.chunkAt(5), undefined);
  assert.equal(ring.endSample, 5);
});

test('the oldest audio is dropped when it is full, and asking for it is an error', () => {
  const ring = new AudioRing(4);
  ring.append(Int16Array.of(0, 1));
  ring.append(Int16Array.of(2, 3));
  assert.equal(ring.startSample, 0);
  ring.append(Int16Array.of(4));
  assert.equal(ring.startSample, 2);
  assert.deepEqual(ring.chunkAt(2), Int16Array.of(2, 3));
  assert.throws(() => ring.chunkAt(1), RangeError);
});
