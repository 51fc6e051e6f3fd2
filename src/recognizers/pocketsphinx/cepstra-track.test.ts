import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { CepstraTrack } from './cepstra-track.ts';
import { CEPSTRUM_SIZE } from './library.ts';

/** Frames that know their number. */
function frames(from: number, count: number): Float32Array {
  return Float32Array.from({ length: count * CEPSTRUM_SIZE }, (_, index) => from + Math.floor(index / CEPSTRUM_SIZE));
}

const numbers = (cepstra: Float32Array): number[] => Array.from({ length: cepstra.length / CEPSTRUM_SIZE }, (_, frame) => cepstra[frame * CEPSTRUM_SIZE]!);

test('frames are found by their number over blocks of any size, and copied', () => {
  const track = new CepstraTrack();
  for (const [from, count] of [[0, 3], [3, 1], [4, 0], [4, 5]] as const) track.append(frames(from, count));
  assert.equal(track.endFrame, 9);
  assert.deepEqual(numbers(track.slice(2, 6)), [2, 3, 4, 5]);
  assert.deepEqual(numbers(track.slice(4, 4)), []);
  assert.deepEqual(numbers(track.slice(5, 2)), []);
  track.slice(0, 9).fill(99);
  assert.deepEqual(numbers(track.slice(0, 2)), [0, 1]);
});

test('a lane sample has its frame, also where the lane jumped ahead', () => {
  const track = new CepstraTrack();
  track.advance(0, 16_000);
  assert.deepEqual([track.frameAt(0), track.frameAt(159), track.frameAt(160)], [0, 0, 1]);
  track.advance(80_000, 1600);
  assert.equal(track.skippedSamples, 64_000);
  assert.deepEqual([track.frameAt(80_000), track.frameAt(80_160)], [100, 101]);
});

test('forgetting keeps the numbers of what is left, and no sample has a frame before', () => {
  const track = new CepstraTrack();
  for (let from = 0; from < 100; from += 10) track.append(frames(from, 10));
  track.forgetBefore(35);
  assert.equal(track.endFrame, 100);
  assert.deepEqual(numbers(track.slice(30, 33)), [30, 31, 32], 'blocks are forgotten whole');
  assert.equal(track.frameAt(0), 30);
  track.forgetBefore(0);
  track.forgetBefore(1000);
  assert.deepEqual([track.endFrame, track.frameAt(0)], [100, 100]);
});

test('whatever is appended and forgotten, what is kept is what was there', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ count: fc.nat(20), forget: fc.nat(200) }), { maxLength: 20 }), (steps) => {
      const track = new CepstraTrack();
      let end = 0;
      let forgotten = 0;
      for (const { count, forget } of steps) {
        track.append(frames(end, count));
        end += count;
        track.forgetBefore(forget);
        forgotten = Math.max(forgotten, Math.min(forget, end));
        assert.equal(track.endFrame, end);
        assert.deepEqual(numbers(track.slice(forgotten, end)), Array.from({ length: end - forgotten }, (_, index) => forgotten + index));
      }
    }),
  );
});
