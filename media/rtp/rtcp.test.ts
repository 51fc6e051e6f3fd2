import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { RtpPacket } from './packet.ts';
import { Reception } from './reception.ts';
import { readRtcp } from './rtcp-reader.ts';
import { toNtpMiddle, writeNack, writeReceiverReport } from './rtcp-writer.ts';

const packet = (number: number, ssrc = 7): RtpPacket => ({
  ssrc,
  payloadType: 111,
  sequenceNumber: number & 0xffff,
  timestamp: (number * 960) >>> 0,
  marker: false,
  payload: new Uint8Array(1),
});
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** SR of SSRC 7 with no blocks, SDES, XR with a DLRR block of one entry: as Chromium sends them. */
const COMPOUND = Uint8Array.from([
  0x80, 200, 0, 6, 0, 0, 0, 7, 0xe8, 0, 0x12, 0x34, 0x80, 0, 0, 0, 0, 0, 0xbb, 0x80, 0, 0, 0, 5, 0, 0, 1, 0,
  0x81, 202, 0, 2, 0, 0, 0, 7, 1, 1, 0x78, 0,
  0x80, 207, 0, 5, 0, 0, 0, 7, 5, 0, 0, 3, 0, 0, 0, 1, 0, 1, 0, 2, 0, 0, 0x40, 0,
]);

test('a compound packet of a browser is read', () => {
  assert.deepEqual(readRtcp(COMPOUND), [
    { kind: 'sender-report', ssrc: 7, ntpMs: 0xe8001234 * 1000 + 500, ntpMiddle: 0x12348000, timestamp: 48_000 },
    { kind: 'reference-time-echo', receiverSsrc: 1, ntpMiddle: 0x10002, delay: 0x4000 },
  ]);
  for (let length = 0; length < COMPOUND.length; length += 1) assert.ok(readRtcp(COMPOUND.subarray(0, length)).length < 2);
});

test('whatever bytes come, reading them ends and never throws', () => {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((tail) => Uint8Array.from([0x80, tail[0] ?? 0, 0, (tail[1] ?? 0) % 60, ...tail]));
  fc.assert(fc.property(bytes, (compound) => readRtcp(compound).length <= 64), { numRuns: 2000 });
});

test('a NACK names its packets in entries of seventeen, over the wrap', () => {
  const bytes = writeNack(7, [65_534, 65_535, 0, 14, 15, 40]);
  assert.equal(bytes.length, 24);
  assert.deepEqual([bytes[0], bytes[1], view(bytes).getUint16(2), view(bytes).getUint32(8)], [0x81, 205, 5, 7]);
  const entries = [12, 16, 20].map((at) => [view(bytes).getUint16(at), view(bytes).getUint16(at + 2)]);
  assert.deepEqual(entries, [[65_534, 0b1000_0000_0000_0011], [15, 0], [40, 0]]);
});

test('a report says what was lost since the last one, the jitter, and what the last sender report was', () => {
  const reception = new Reception();
  for (let number = 65_500; number < 65_600; number += 1) if (number % 10 !== 0) reception.count(packet(number), number * 20);
  const nowMs = 65_599 * 20 + 1000;
  const [report] = readRtcp(COMPOUND);
  if (report?.kind === 'sender-report') reception.onSenderReport(report, nowMs - 250);
  assert.equal(reception.takeReport(nowMs - 900), undefined, 'not yet');
  const bytes = reception.takeReport(nowMs) ?? assert.fail();
  assert.deepEqual([bytes[0], bytes[1], view(bytes).getUint32(8)], [0x81, 201, 7]);
  assert.equal(bytes[12], Math.floor((9 / 99) * 256));
  assert.equal(view(bytes).getUint32(12) & 0xff_ffff, 9);
  assert.equal(view(bytes).getUint32(16), 65_599);
  assert.equal(view(bytes).getUint32(24), 0x12348000);
  assert.equal(view(bytes).getUint32(28), 65_536 / 4);
  assert.equal(reception.takeReport(nowMs + 10), undefined, 'not so soon again');
});

test('an echo of our reference time tells the round trip, and nonsense does not', () => {
  const reception = new Reception();
  const sentMs = 123_456;
  reception.onEcho({ kind: 'reference-time-echo', receiverSsrc: 1, ntpMiddle: toNtpMiddle(sentMs), delay: 65_536 / 2 }, sentMs + 580);
  assert.ok(Math.abs((reception.roundTripMs ?? 0) - 80) < 0.1);
  reception.onEcho({ kind: 'reference-time-echo', receiverSsrc: 1, ntpMiddle: 5, delay: 0 }, sentMs + 600);
  assert.ok(Math.abs((reception.roundTripMs ?? 0) - 80) < 0.1);
  const bytes = writeReceiverReport(
    { ssrc: 7, fractionLost: 0, cumulativeLost: 0, highestSequenceNumber: 1, jitterTicks: 0, lastReport: 0, delaySinceLastReport: 0 },
    sentMs,
  );
  const ours = ((view(bytes).getUint32(44) << 16) | (view(bytes).getUint32(48) >>> 16)) >>> 0;
  assert.ok(Math.abs(ours - toNtpMiddle(sentMs)) <= 1);
});
