import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { BoundedQueue } from './bounded-queue.ts';
import { settle } from './testing/audio.ts';

/** Tells whether a promise has resolved. */
function watched(promise: Promise<unknown>): () => boolean {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  return () => done;
}

async function drain<T>(queue: BoundedQueue<T>): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of queue) taken.push(item);
  return taken;
}

test('a full queue pauses its producer until the consumer has made room', async () => {
  const queue = new BoundedQueue<number>({ maxWeight: 2 });
  await queue.push(1);
  const second = watched(queue.push(2));
  const third = watched(queue.push(3));
  const other = watched(queue.hasRoom());
  await settle();
  assert.deepEqual([second(), third(), other(), queue.weight, queue.isFull], [false, false, false, 3, true]);
  const consumer = queue[Symbol.asyncIterator]();
  await consumer.next();
  await settle();
  assert.deepEqual([second(), third(), queue.weight], [false, false, 2], 'at the limit is full');
  await consumer.next();
  await settle();
  assert.deepEqual([second(), third(), other(), queue.weight], [true, true, true, 1]);
});

test('offer refuses what does not fit, and takes an oversized item into an empty queue', () => {
  const queue = new BoundedQueue<string>({ maxWeight: 4, weigh: (item) => item.length });
  assert.equal(queue.offer('much too long'), true);
  assert.equal(queue.offer('x'), false);
  const other = new BoundedQueue<string>({ maxWeight: 4, weigh: (item) => item.length });
  assert.deepEqual([other.offer('ab'), other.offer('cd'), other.offer('e'), other.weight], [true, true, false, 4]);
});

test('end lets the consumer drain; what is pushed later is dropped', async () => {
  const queue = new BoundedQueue<number>({ maxWeight: 10 });
  await queue.push(1);
  await queue.push(2);
  queue.end();
  await queue.push(3);
  assert.equal(queue.ended, true);
  assert.deepEqual(await drain(queue), [1, 2]);
});

test('fail lets the consumer drain and then throws', async () => {
  const queue = new BoundedQueue<number>({ maxWeight: 10 });
  await queue.push(1);
  queue.fail(new Error('broken'));
  queue.fail(new Error('later'));
  const consumer = queue[Symbol.asyncIterator]();
  assert.deepEqual(await consumer.next(), { value: 1, done: false });
  await assert.rejects(async () => consumer.next(), /broken/);
});

test('a waiting consumer is woken by a push, by the end and by a failure', async () => {
  for (const [act, expected] of [
    [(queue: BoundedQueue<number>) => void queue.push(7), { value: 7, done: false }],
    [(queue: BoundedQueue<number>) => queue.end(), { value: undefined, done: true }],
  ] as const) {
    const queue = new BoundedQueue<number>({ maxWeight: 1 });
    const next = queue[Symbol.asyncIterator]().next();
    await settle();
    act(queue);
    assert.deepEqual(await next, expected);
  }
  const queue = new BoundedQueue<number>({ maxWeight: 1 });
  const next = queue[Symbol.asyncIterator]().next();
  await settle();
  queue.fail(new Error('broken'));
  await assert.rejects(next, /broken/);
});

test('a consumer that leaves releases its producers and holds nothing', async () => {
  const queue = new BoundedQueue<number>({ maxWeight: 1 });
  void queue.push(1);
  const blocked = queue.push(2);
  for await (const item of queue) {
    assert.equal(item, 1);
    break;
  }
  await blocked;
  await queue.push(3);
  assert.equal(queue.weight, 0);
  assert.deepEqual(await drain(queue), []);
});

test('discard releases who waits and ends the iteration', async () => {
  const queue = new BoundedQueue<number>({ maxWeight: 1 });
  void queue.push(1);
  const blocked = queue.push(2);
  queue.discard();
  await blocked;
  assert.deepEqual(await drain(queue), []);
});

test('nothing is lost or reordered, and the weight is that of what waits, whatever the order of pushes and takes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 3000, size: 'max' }), async (steps) => {
      const queue = new BoundedQueue<number>({ maxWeight: 5, weigh: (item) => item % 3 });
      const consumer = queue[Symbol.asyncIterator]();
      const waiting: number[] = [];
      let pushed = 0;
      for (const isPush of steps) {
        if (isPush) {
          void queue.push(pushed);
          waiting.push(pushed);
          pushed += 1;
        } else if (waiting.length > 0) {
          assert.equal((await consumer.next()).value, waiting.shift());
        }
        assert.equal(queue.weight, waiting.reduce((sum, item) => sum + (item % 3), 0));
      }
      queue.end();
      assert.deepEqual(await drain(queue), waiting);
    }),
    { numRuns: 30 },
  );
});

test('a long queue stays in order while it is read', async () => {
  const queue = new BoundedQueue<number>({ maxWeight: 10_000 });
  for (let item = 0; item < 5000; item += 1) void queue.push(item);
  queue.end();
  assert.deepEqual(await drain(queue), Array.from({ length: 5000 }, (_, index) => index));
});
