import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../core/clock.ts';
import { RateLimit } from './rate-limit.ts';

const limited = { code: 'RATE_LIMITED' };

test('over any minute no more than twice the rate passes, and a caller who waits as told passes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 200 }), (perMinute, pausesMs) => {
      const clock = new ManualClock();
      const limit = new RateLimit({ clock, perMinute });
      const passedAtMs: number[] = [];
      for (const pauseMs of pausesMs) {
        clock.advance(pauseMs);
        try {
          limit.take('caller', 'x');
        } catch (error) {
          clock.advance((error as { retryAfterSeconds: number }).retryAfterSeconds * 1000);
          limit.take('caller', 'x');
        }
        passedAtMs.push(clock.nowMs());
      }
      for (const atMs of passedAtMs) {
        assert.ok(passedAtMs.filter((other) => other >= atMs && other < atMs + 60_000).length <= perMinute * 2);
      }
    }),
  );
});

test('callers do not share', () => {
  const limit = new RateLimit({ clock: new ManualClock(), perMinute: 1 });
  limit.take('a', 'x');
  limit.take('b', 'x');
  assert.throws(() => limit.take('a', 'x'), limited);
});

test('to check takes nothing; to spend is never refused', () => {
  const limit = new RateLimit({ clock: new ManualClock(), perMinute: 1 });
  limit.check('a', 'x');
  limit.check('a', 'x');
  assert.equal(limit.callers, 0);
  limit.spend('a');
  limit.spend('a');
  assert.throws(() => limit.check('a', 'x'), limited);
});

test('the table is bounded; who was idle longest is forgotten', () => {
  const limit = new RateLimit({ clock: new ManualClock(), perMinute: 1, maxCallers: 2 });
  limit.take('a', 'x');
  limit.take('b', 'x');
  assert.throws(() => limit.take('a', 'x'), limited);
  limit.take('c', 'x');
  assert.equal(limit.callers, 2);
  assert.throws(() => limit.take('a', 'x'), limited);
  limit.take('b', 'x');
});
