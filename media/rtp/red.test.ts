import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { unpack } from './formats.ts';
import type { RtpFormats } from './formats.ts';
import type { RtpPacket } from './packet.ts';
import { readRed } from './red.ts';

/** Mono SILK of 20 ms. */
const OPUS = 0x48;
const FORMATS: RtpFormats = { opus: [111], red: [63], rtx: [{ payloadType: 112, repeats: 111 }, { payloadType: 113, repeats: 63 }], nack: true };

const packet = (payload: readonly number[], fields: Partial<RtpPacket> = {}): RtpPacket => ({
  ssrc: 7,
  payloadType: 63,
  sequenceNumber: 10,
  timestamp: 50_000,
  marker: true,
  payload: Uint8Array.from(payload),
  ...fields,
});

const head = (payloadType: number, offsetTicks: number, length: number): number[] => [
  0x80 | payloadType,
  offsetTicks >> 6,
  ((offsetTicks & 0x3f) << 2) | (length >> 8),
  length & 0xff,
];
const brief = (packets: readonly RtpPacket[]): unknown[] =>
  packets.map(({ sequenceNumber, timestamp, payload }) => [sequenceNumber, timestamp, payload[1]]);

test('a packet with its two copies: the numbers follow from the times', () => {
  const red = readRed(packet([...head(111, 1920, 2), ...head(111, 960, 3), 111, OPUS, 1, OPUS, 2, 2, OPUS, 3, 3, 3]));
  assert.deepEqual(red && brief(red.copies), [[8, 48_080, 1], [9, 49_040, 2]]);
  assert.deepEqual(red && brief([red.primary]), [[10, 50_000, 3]]);
  assert.equal(red?.primary.payloadType, 111);
});

test('a copy from further back has the number of its time, and after DTX that of the packet before', () => {
  const skipping = readRed(packet([...head(111, 1920, 2), 111, OPUS, 1, OPUS, 2]));
  assert.deepEqual(skipping && brief(skipping.copies), [[8, 48_080, 1]]);
  const dtx = readRed(packet([...head(111, 9600, 2), 111, OPUS, 1, OPUS, 2], { sequenceNumber: 0 }));
  assert.deepEqual(dtx && brief(dtx.copies), [[65_535, 40_400, 1]]);
});

test('empty copies are none; what is cut short is malformed', () => {
  assert.deepEqual(readRed(packet([...head(111, 960, 0), 111, OPUS, 9]))?.copies, []);
  const whole = [...head(111, 960, 4), 111, OPUS, 1, 1, 1];
  for (let length = 0; length < whole.length; length += 1) {
    assert.equal(readRed(packet(whole.slice(0, length)))?.copies.length, undefined, `${String(length)} bytes`);
  }
});

test('retransmissions become what they repeat, redundant audio within them too', () => {
  const rtx = packet([0x12, 0x34, OPUS, 5], { ssrc: 99, payloadType: 112, sequenceNumber: 1 });
  const plain = unpack(rtx, FORMATS, 7);
  assert.deepEqual(plain && [plain.isRetransmission, plain.packet.ssrc, plain.packet.sequenceNumber, plain.packet.payloadType], [true, 7, 0x1234, 111]);
  const red = unpack(packet([0, 10, ...head(111, 960, 2), 111, OPUS, 1, OPUS, 2], { ssrc: 99, payloadType: 113 }), FORMATS, 7);
  assert.deepEqual(red && [red.packet.sequenceNumber, red.copies.length], [10, 1]);
  assert.equal(unpack(rtx, FORMATS, undefined), undefined, 'nothing to repeat yet');
  assert.equal(unpack(rtx, { ...FORMATS, rtx: [] }, 7), undefined);
  assert.equal(unpack(packet([9, OPUS, 1]), FORMATS, 7), undefined, 'another codec within RED');
  assert.equal(unpack(packet([OPUS], { payloadType: 9 }), FORMATS, 7), undefined);
});

test('whatever bytes come, what is taken out of them lies within them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(63, 111, 112, 113, 5), (payload, payloadType) => {
      const unpacked = unpack(packet([], { payload, payloadType }), FORMATS, 7);
      if (!unpacked) return;
      const parts = [unpacked.packet, ...unpacked.copies];
      assert.ok(parts.length <= 9);
      assert.ok(parts.reduce((sum, part) => sum + part.payload.length, 0) <= payload.length);
      for (const part of parts) assert.ok(part.sequenceNumber >= 0 && part.sequenceNumber < 0x10000 && part.timestamp >= 0);
    }),
    { numRuns: 2000 },
  );
});
