import assert from 'node:assert/strict';
import test from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import { RtpSource } from '../../rtp/rtp-source.ts';
import { createSharedStats, readOriginMs, readStats, writeStats } from './shared-stats.ts';

test('every statistic of a track crosses, known or not', () => {
  const source = new RtpSource({ clock: systemClock });
  const stats = source.stats();
  source.close();
  const numbered = Object.fromEntries(Object.keys(stats).map((name, i) => [name, i + 0.5])) as unknown as typeof stats;
  const shared = createSharedStats();
  for (const each of [stats, numbered, { ...numbered, driftPpm: null, roundTripMs: null }]) {
    writeStats(shared, each);
    assert.deepEqual(readStats(shared), each);
    assert.equal(readOriginMs(shared), undefined);
  }
  writeStats(shared, stats, 1234.5);
  assert.ok(Math.abs((readOriginMs(shared) ?? 0) - 1234.5) < 0.001);
});
