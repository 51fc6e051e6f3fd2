import assert from 'node:assert/strict';
import test from 'node:test';
import { msToSamples, SAMPLE_RATE_HZ, samplesToMs, samplesToSeconds } from './audio.ts';

test('lane time converts between samples, milliseconds and seconds', () => {
  assert.equal(msToSamples(1000), SAMPLE_RATE_HZ);
  assert.equal(msToSamples(0.05), 1, 'rounded to the nearest sample');
  assert.equal(samplesToMs(8), 0.5);
  assert.equal(samplesToSeconds(24_000), 1.5);
});
