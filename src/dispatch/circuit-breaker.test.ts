import assert from 'node:assert/strict';
import test from 'node:test';
import { CircuitBreaker } from './circuit-breaker.ts';

const options = { maxFailures: 3, openMs: 1000, maxOpenMs: 3000 };

function opened(atMs = 0): CircuitBreaker {
  const breaker = new CircuitBreaker(options);
  for (let count = 0; count < 3; count += 1) breaker.failed(atMs);
  return breaker;
}

test('failures in a row open it, and a success between them begins the count anew', () => {
  const breaker = new CircuitBreaker(options);
  for (let count = 0; count < 10; count += 1) {
    breaker.failed(0);
    breaker.failed(0);
    breaker.succeeded();
  }
  assert.deepEqual([breaker.state(0), breaker.waitMs(0)], ['closed', 0]);
  for (let count = 0; count < 3; count += 1) breaker.failed(0);
  assert.deepEqual([breaker.state(0), breaker.waitMs(0), breaker.waitMs(400)], ['open', 1000, 600]);
});

test('after its time one trial is let through, and no other beside it', () => {
  const breaker = opened();
  assert.deepEqual([breaker.state(999), breaker.used(999)], ['open', false]);
  assert.deepEqual([breaker.state(1000), breaker.waitMs(1000)], ['half-open', 0]);
  assert.equal(breaker.used(1000), true);
  assert.equal(breaker.used(1000), false);
  assert.equal(breaker.waitMs(1400), 600);
});

test('the trial that works closes it', () => {
  const breaker = opened();
  breaker.used(1000);
  breaker.succeeded();
  assert.deepEqual([breaker.state(1000), breaker.waitMs(1000)], ['closed', 0]);
  breaker.failed(1000);
  assert.equal(breaker.state(1000), 'closed', 'one failure is one again');
});

test('the trial that fails opens it for twice as long, up to the longest', () => {
  const breaker = opened();
  let nowMs = 0;
  const waits: number[] = [];
  for (let count = 0; count < 4; count += 1) {
    nowMs += breaker.waitMs(nowMs);
    breaker.used(nowMs);
    breaker.failed(nowMs);
    waits.push(breaker.waitMs(nowMs));
  }
  assert.deepEqual(waits, [2000, 3000, 3000, 3000]);
});

test('a trial that shows nothing makes room for another, at its end or after its time', () => {
  const breaker = opened();
  breaker.used(1000);
  breaker.leftUndecided();
  assert.equal(breaker.used(1000), true);
  assert.equal(breaker.used(1999), false);
  assert.equal(breaker.used(2000), true);
});

test('sessions that were begun before it opened do not prolong it', () => {
  const breaker = opened();
  breaker.failed(500);
  breaker.failed(900);
  assert.equal(breaker.waitMs(900), 100);
});
