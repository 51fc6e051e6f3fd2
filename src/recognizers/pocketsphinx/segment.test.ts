import assert from 'node:assert/strict';
import test from 'node:test';
import { CepstraTrack, SAMPLES_PER_FRAME } from './cepstra-track.ts';
import { CEPSTRUM_SIZE } from './library.ts';
import { Segment } from './segment.ts';

/** A segment from sample 0 on, and what writes to it and to the track. */
function rig() {
  const track = new CepstraTrack();
  const segment = new Segment(0, 0, track);
  let written = 0;
  const write = (frames: number): number => {
    const count = frames * SAMPLES_PER_FRAME;
    track.advance(written, count);
    track.append(new Float32Array(frames * CEPSTRUM_SIZE));
    written += count;
    return written;
  };
  return { track, segment, write };
}

test('a segment that is open is searched as far as there is sound', () => {
  const { segment, write } = rig();
  write(300);
  assert.deepEqual([segment.limitFrame, segment.isEnded], [undefined, false]);
});

test('in a pause it counts up to where the pause was told, and on again when speech goes on', () => {
  const { track, segment, write } = rig();
  segment.pause(write(100), track);
  write(40);
  assert.equal(segment.limitFrame, 100);
  segment.resume();
  assert.equal(segment.limitFrame, undefined);
});

test('a segment that ends in a pause ends where the pause was told, and is not drawn back', () => {
  const { track, segment, write } = rig();
  segment.pause(write(100), track);
  const end = write(45);
  assert.equal(segment.end(end, end, track), false);
  assert.deepEqual([segment.isEnded, segment.limitFrame], [true, 100]);
});

test('a segment that is cut before what may have been searched is drawn back, pause or not', () => {
  for (const pauses of [false, true]) {
    const { track, segment, write } = rig();
    const written = write(100);
    if (pauses) segment.pause(written, track);
    assert.equal(segment.end(80 * SAMPLES_PER_FRAME, written, track), true);
    assert.equal(segment.limitFrame, 80);
  }
});
