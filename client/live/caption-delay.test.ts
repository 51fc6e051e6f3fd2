import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CaptionDelay } from './caption-delay.ts';

test('the delay is the arrival after the audio it covers, smoothed', () => {
  const delay = new CaptionDelay();
  assert.equal(delay.note(3400, 1000, 2), 400);
  assert.equal(delay.note(4800, 1000, 3), 500);
});

test('corrections and finals that reach no further do not count', () => {
  const delay = new CaptionDelay();
  delay.note(3400, 1000, 2);
  assert.equal(delay.note(9000, 1000, 2), 400);
});

test('nothing is known before the first', () => {
  assert.equal(new CaptionDelay().note(1000, 1000, 0), undefined);
});
