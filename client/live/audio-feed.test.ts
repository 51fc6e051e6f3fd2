import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AudioRing } from '../audio-ring.ts';
import { CaptureFeed, PushedFeed } from './audio-feed.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test('bytes that were pushed are held until they are forgotten, and who pushes more waits', async () => {
  const feed = new PushedFeed(3);
  let told = 0;
  const stop = feed.onMore(() => (told += 1));
  await feed.push(bytes(1, 2));
  let hasRoom = false;
  const pushed = feed.push(bytes(3, 4)).then(() => (hasRoom = true));
  await Promise.resolve();
  assert.equal(hasRoom, false);
  assert.deepEqual([feed.endPosition, told], [4, 2]);
  assert.deepEqual([feed.bytesAt(1), feed.bytesAt(2), feed.bytesAt(4)], [bytes(2), bytes(3, 4), undefined]);
  feed.forget(1);
  assert.deepEqual(feed.bytesAt(0), bytes(1, 2), 'half a part is held');
  feed.forget(2);
  await pushed;
  assert.throws(() => feed.bytesAt(1), RangeError);
  stop();
  await feed.push(bytes(5));
  assert.equal(told, 2);
});

test('a feed that is released holds up nobody', async () => {
  const feed = new PushedFeed(1);
  const pushed = feed.push(bytes(1, 2, 3));
  feed.release();
  await pushed;
});

test('a capture is fed from one of its samples on, two bytes each, odd places too', () => {
  const ring = new AudioRing(1000);
  for (const chunk of [[1, 2, 3], [4, 5]]) ring.append(Int16Array.from(chunk));
  const capture = { sampleRateHz: 1000, ring, nowSample: () => 5, onChunk: () => () => undefined, drain: () => Promise.resolve() };
  const feed = new CaptureFeed(capture, 2);
  assert.deepEqual([feed.startSample, feed.endPosition], [2, 6]);
  assert.deepEqual([feed.bytesAt(0), feed.bytesAt(2), feed.bytesAt(3), feed.bytesAt(6)], [bytes(3, 0), bytes(4, 0, 5, 0), bytes(0, 5, 0), undefined]);
  assert.equal(new CaptureFeed(capture, -10).startSample, 0);
  assert.equal(new CaptureFeed(capture, 99).startSample, 5);
});
