import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { AudioMemory } from './audio-memory.ts';

/** Sample values are their own lane positions. */
const ramp = (startSample: number, length: number) => ({ kind: 'pcm', startSample, samples: Int16Array.from({ length }, (_, index) => startSample + index) }) as const;

test('a stretch is given back as it was heard, whatever frames it lay in', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }), fc.nat(1000), fc.nat(1000), (lengths, a, b) => {
      const memory = new AudioMemory(10_000);
      let end = 0;
      for (const length of lengths) {
        memory.push(ramp(end, length));
        end += length;
      }
      const [from = 0, to = 0] = [a % end, b % end].toSorted((x, y) => x - y);
      assert.deepEqual(memory.take(from, to), ramp(from, to - from));
    }),
  );
});

test('time that was skipped is silence', () => {
  const memory = new AudioMemory(100);
  memory.push(ramp(10, 2));
  memory.push(ramp(15, 2));
  assert.deepEqual([...memory.take(10, 17).samples], [10, 11, 0, 0, 0, 15, 16]);
});

test('no more is held than allowed, and what is not wanted any more goes', () => {
  const memory = new AudioMemory(30);
  for (let start = 0; start < 100; start += 10) memory.push(ramp(start, 10));
  assert.equal(memory.heldSamples, 30);
  assert.deepEqual(memory.take(0, 100), ramp(70, 30), 'the oldest is gone');
  memory.forgetBefore(85);
  assert.equal(memory.heldSamples, 20, 'a frame that is wanted in part stays');
  assert.deepEqual(memory.take(0, 50), { kind: 'pcm', startSample: 50, samples: new Int16Array(0) });
  memory.forgetBefore(1000);
  assert.deepEqual([memory.heldSamples, memory.take(0, 100).samples.length], [0, 0]);
});
