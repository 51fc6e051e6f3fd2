import assert from 'node:assert/strict';
import test from 'node:test';
import { Meter } from './meter.ts';

test('lane time is heard or missed, and what is recognized is counted beside it', () => {
  const meter = new Meter(2);
  meter.hear(100);
  meter.miss(40);
  meter.recognize(60);
  meter.hear(1);
  assert.deepEqual(meter.totals(), { laneIndex: 2, heardSamples: 141, speechSamples: 60, gapSamples: 40 });
});
