import assert from 'node:assert/strict';
import test from 'node:test';
import { LaneClock } from './lane-clock.ts';

const MS = 16;

test('who speaks live is behind by what is not searched yet', () => {
  let nowMs = 5000;
  const clock = new LaneClock(() => nowMs);
  for (let at = 0; at < 1000; at += 20) {
    nowMs += 20;
    clock.heard(at * MS, 20 * MS);
  }
  // The first piece is taken for one that begins when it comes.
  assert.equal(clock.lateMs(1000 * MS), -20);
  assert.equal(clock.lateMs(400 * MS), 580);
  nowMs += 50;
  assert.equal(clock.lateMs(1000 * MS), 30);
});

test('nobody waits for a file that comes faster than speech', () => {
  let nowMs = 5000;
  const clock = new LaneClock(() => nowMs);
  clock.heard(0, 1500 * MS);
  nowMs += 2000;
  assert.equal(clock.lateMs(0), 2000);
  clock.heard(1500 * MS, 10_000 * MS);
  nowMs += 60_000;
  assert.equal(clock.lateMs(0), -Infinity);
});

test('a speaker who sent nothing for a while is not behind', () => {
  let nowMs = 0;
  const clock = new LaneClock(() => nowMs);
  clock.heard(0, 100 * MS);
  nowMs = 60_000;
  clock.heard(100 * MS, 100 * MS);
  assert.equal(clock.lateMs(200 * MS), 0);
});

test('a lane that another engine began is as late as a new one', () => {
  const clock = new LaneClock(() => 7000);
  clock.heard(90_000 * MS, 20 * MS);
  assert.equal(clock.lateMs(90_020 * MS), -20);
});
