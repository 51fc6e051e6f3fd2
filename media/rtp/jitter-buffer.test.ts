import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { JitterBuffer } from './jitter-buffer.ts';
import type { JitterBufferItem } from './jitter-buffer.ts';
import type { RtpPacket } from './packet.ts';

const packet = (number: number, fields: Partial<RtpPacket> = {}): RtpPacket => ({
  ssrc: 7,
  payloadType: 111,
  sequenceNumber: number & 0xffff,
  timestamp: (number * 960) >>> 0,
  marker: false,
  payload: new Uint8Array([number & 0xff]),
  ...fields,
});

/** `5` is packet 5, `-2` are two lost ones, `5!` a packet that restarts the stream. */
const brief = (items: readonly JitterBufferItem[]): string =>
  items
    .map((item) =>
      item.kind === 'lost' ? `-${String(item.count)}` : `${String(item.packet.sequenceNumber)}${item.restart ? '!' : ''}`,
    )
    .join(' ');

test('a packet in sequence passes at once, over the 16-bit wrap too', () => {
  const buffer = new JitterBuffer();
  for (let number = 65_530; number < 65_545; number += 1) {
    buffer.push(packet(number), number * 20);
    assert.equal(brief(buffer.pop(number * 20)), String(number & 0xffff));
    assert.equal(buffer.nextDueMs(), undefined);
  }
});

test('a hole is waited for until the target after the packet behind it, then lost', () => {
  const buffer = new JitterBuffer({ targetMs: 60 });
  buffer.push(packet(1), 0);
  buffer.push(packet(4), 50);
  buffer.push(packet(5), 70);
  assert.equal(brief(buffer.pop(109)), '1');
  assert.equal(buffer.nextDueMs(), 110);
  assert.equal(buffer.heldMs(90), 40);
  assert.equal(brief(buffer.pop(110)), '-2 4 5');
  assert.equal(buffer.nextDueMs(), undefined);
  assert.equal(buffer.stats().lost, 2);
});

test('every hole has its own due time', () => {
  const buffer = new JitterBuffer({ targetMs: 60 });
  buffer.push(packet(1), 0);
  buffer.push(packet(3), 10);
  buffer.push(packet(5), 40);
  assert.equal(brief(buffer.pop(70)), '1 -1 3');
  assert.equal(buffer.nextDueMs(), 100);
  assert.equal(brief(buffer.pop(100)), '-1 5');
});

test('reordered packets within the target come out in order, duplicates are counted and dropped', () => {
  const buffer = new JitterBuffer();
  for (const number of [1, 3, 3, 2, 2, 1, 5, 4]) buffer.push(packet(number), number);
  assert.equal(brief(buffer.pop(10)), '1 2 3 4 5');
  assert.equal(buffer.stats().duplicates, 3);
  assert.equal(buffer.stats().received, 5);
});

test('a packet that comes after it was declared lost is late, and its copy a duplicate', () => {
  const buffer = new JitterBuffer({ targetMs: 60 });
  buffer.push(packet(1), 0);
  buffer.push(packet(3), 0);
  buffer.pop(60);
  buffer.push(packet(2), 61);
  buffer.push(packet(2), 62);
  assert.equal(brief(buffer.pop(62)), '');
  const { late, duplicates, lost, received } = buffer.stats();
  assert.deepEqual({ late, duplicates, lost, received }, { late: 1, duplicates: 1, lost: 1, received: 3 });
});

test('a full buffer gives the hole up before its time', () => {
  const buffer = new JitterBuffer({ maxPackets: 4 });
  buffer.push(packet(1), 0);
  for (const number of [3, 4, 5, 6]) buffer.push(packet(number), 0);
  assert.equal(brief(buffer.pop(0)), '1');
  buffer.push(packet(7), 0);
  assert.equal(brief(buffer.pop(0)), '-1 3 4 5 6 7');
});

test('another SSRC is believed with its second packet; what was held goes out first', () => {
  const buffer = new JitterBuffer();
  buffer.push(packet(1), 0);
  buffer.push(packet(3), 20);
  buffer.push(packet(900, { ssrc: 8 }), 40);
  assert.equal(brief(buffer.pop(40)), '1');
  buffer.push(packet(901, { ssrc: 8 }), 60);
  assert.equal(brief(buffer.pop(60)), '-1 3 900! 901');
});

test('one stray packet does not restart the stream, two in a row far away do', () => {
  const buffer = new JitterBuffer();
  buffer.push(packet(1), 0);
  buffer.push(packet(30_000), 20);
  buffer.push(packet(2), 20);
  buffer.push(packet(30_001), 40);
  assert.equal(brief(buffer.pop(40)), '1 2');
  buffer.push(packet(30_002), 60);
  assert.equal(brief(buffer.pop(60)), '30001! 30002');
});

test('flush gives out what is held', () => {
  const buffer = new JitterBuffer();
  for (const number of [1, 3, 6]) buffer.push(packet(number), 0);
  assert.equal(brief(buffer.flush()), '1 -1 3 -2 6');
});

/** A stream of `count` packets, some lost, each sent every 20 ms and delayed at random, delivered by arrival. */
const network = fc
  .record({
    first: fc.integer({ min: 0, max: 65_535 }),
    sent: fc.array(
      fc.record({
        lost: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
        delayMs: fc.integer({ min: 0, max: 150 }),
        copies: fc.constantFrom(1, 1, 1, 2),
      }),
      { minLength: 1, maxLength: 120 },
    ),
  })
  .map(({ first, sent }) => {
    const arrivals = sent.flatMap(({ lost, delayMs, copies }, i) =>
      lost && i > 0
        ? []
        : Array.from({ length: copies }, (_, copy) => ({
            number: first + i,
            atMs: i * 20 + (i === 0 ? 0 : delayMs) + copy * 3,
          })),
    );
    return { first, arrivals: arrivals.sort((a, b) => a.atMs - b.atMs) };
  });

test('whatever the network does: in order, each number accounted for once, nothing lost that came in time', () => {
  fc.assert(
    fc.property(network, ({ first, arrivals }) => {
      const buffer = new JitterBuffer({ targetMs: 60 });
      const out: JitterBufferItem[] = [];
      let lastMs = 0;
      for (const { number, atMs } of arrivals) {
        for (let due = buffer.nextDueMs(); due !== undefined && due < atMs; due = buffer.nextDueMs()) out.push(...buffer.pop(due));
        buffer.push(packet(number), atMs);
        out.push(...buffer.pop(atMs));
        lastMs = atMs;
      }
      out.push(...buffer.pop(lastMs + 60));
      let expected = first;
      const played = new Set<number>();
      for (const item of out) {
        if (item.kind === 'lost') {
          expected += item.count;
          continue;
        }
        assert.equal(item.packet.sequenceNumber, expected & 0xffff);
        played.add(expected);
        expected += 1;
      }
      assert.equal(expected, Math.max(...arrivals.map(({ number }) => number)) + 1);
      for (const { number, atMs } of arrivals) {
        const behindMs = Math.min(...arrivals.filter((other) => other.number > number).map((other) => other.atMs));
        if (atMs < behindMs + 60) assert.ok(played.has(number), `packet ${String(number)} came in time`);
      }
      const { received, lost, late } = buffer.stats();
      assert.equal(received, new Set(arrivals.map(({ number }) => number)).size);
      assert.equal(played.size + lost, expected - first);
      assert.equal(received, played.size + late);
    }),
    { numRuns: 300 },
  );
});
