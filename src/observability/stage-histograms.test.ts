import assert from 'node:assert/strict';
import test from 'node:test';
import { StageHistograms } from './stage-histograms.ts';

/** Of the buckets of `stage`: upper bound in seconds -> cumulative count. */
function bucketsOf(histograms: StageHistograms, stage: string): [number, number][] {
  return histograms.lines().flatMap((line) => {
    const match = new RegExp(`_bucket\\{stage="${stage}",le="([^"]+)"\\} (\\d+)`).exec(line);
    return match ? [[match[1] === '+Inf' ? Infinity : Number(match[1]), Number(match[2])] as [number, number]] : [];
  });
}

test('a duration lies in the narrowest bucket that holds it', () => {
  const histograms = new StageHistograms();
  for (const durationMs of [0.3, 0.3, 40, 2000]) histograms.observe('engine', durationMs);
  const buckets = bucketsOf(histograms, 'engine');
  assert.deepEqual(buckets.map(([, count]) => count), [2, 3, 4, 4]);
  for (const [index, seconds] of [0.0003, 0.04, 2].entries()) {
    const bound = buckets[index]?.[0] ?? 0;
    assert.ok(bound >= seconds && bound <= seconds * 1.2 * 1.001, `${bound} for ${seconds}`);
  }
});

test('zero, and what is longer than every bound, are counted too', () => {
  const histograms = new StageHistograms();
  histograms.observe('queue', 0);
  histograms.observe('queue', 1e9);
  assert.deepEqual(bucketsOf(histograms, 'queue'), [[0.000005, 1], [Infinity, 2]]);
  assert.ok(histograms.lines().includes('earshot_stage_seconds_count{stage="queue"} 2'));
});

test('stages are counted apart', () => {
  const histograms = new StageHistograms();
  histograms.observe('decode', 1);
  assert.deepEqual(bucketsOf(histograms, 'jitter'), [[Infinity, 0]]);
  assert.ok(histograms.lines().includes('earshot_stage_seconds_sum{stage="decode"} 0.001000'));
});
