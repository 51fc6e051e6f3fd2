import assert from 'node:assert/strict';
import test from 'node:test';
import { coalesced, ManualClock, systemClock } from './clock.ts';

test('timers fire in order of their due time, at that time', () => {
  const clock = new ManualClock();
  const fired: [string, number][] = [];
  const note = (name: string) => () => fired.push([name, clock.nowMs()]);
  clock.setTimer(30, note('late'));
  clock.setTimer(10, note('early'));
  clock.setTimer(10, note('early, set second'));
  clock.setTimer(31, note('too late'));
  clock.advance(30);
  assert.deepEqual(fired, [['early', 10], ['early, set second', 10], ['late', 30]]);
  assert.deepEqual([clock.nowMs(), clock.pendingTimers], [30, 1]);
});

test('a timer set by a timer fires in the same advance if it is due', () => {
  const clock = new ManualClock();
  const fired: number[] = [];
  const again = (): void => {
    fired.push(clock.nowMs());
    if (fired.length < 5) clock.setTimer(10, again);
  };
  clock.setTimer(10, again);
  clock.advance(35);
  assert.deepEqual(fired, [10, 20, 30]);
});

test('a cancelled timer does not fire, and cancelling twice is nothing', () => {
  const clock = new ManualClock();
  const cancel = clock.setTimer(10, () => assert.fail());
  cancel();
  cancel();
  clock.advance(100);
  assert.equal(clock.pendingTimers, 0);
});

test('the system clock is monotonic, and its timers fire once unless cancelled', async () => {
  const startMs = systemClock.nowMs();
  const cancel = systemClock.setTimer(0, () => assert.fail());
  cancel();
  await new Promise<void>((resolve) => systemClock.setTimer(1, resolve));
  assert.ok(systemClock.nowMs() > startMs);
});

test('timers that need not be exact share their times, and are never early', () => {
  assert.deepEqual([0, 0.1, 19.9, 20, 20.1].map(coalesced), [0, 20, 20, 20, 40]);
});
