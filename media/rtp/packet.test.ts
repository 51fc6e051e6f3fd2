import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { parseRtpPacket } from './packet.ts';

/** Version 2, marker, payload type 111, sequence number 7, timestamp 960, SSRC 0x01020304. */
const HEADER = '80ef0007000003c001020304';
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

test('a packet is read to its payload', () => {
  assert.deepEqual(parseRtpPacket(bytes(`${HEADER}aabb`)), { ssrc: 0x01020304, payloadType: 111, sequenceNumber: 7, timestamp: 960, marker: true, payload: bytes('aabb') });
});

test('contributing sources, header extensions and padding are no payload', () => {
  const full = `b2${HEADER.slice(2)}${'00000001'.repeat(2)}bede000110ff0000aabb000003`;
  assert.deepEqual(parseRtpPacket(bytes(full))?.payload, bytes('aabb'));
});

test('what is no packet: another version, one cut short, padding that is longer than all', () => {
  for (const hex of ['', HEADER.slice(0, -2), `40${HEADER.slice(2)}`, `9f${HEADER.slice(2)}`, `90${HEADER.slice(2)}bede`, `a0${HEADER.slice(2)}aa00`, `a0${HEADER.slice(2)}ff`]) {
    assert.equal(parseRtpPacket(bytes(hex)), undefined, hex);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (random) => {
      const payload = parseRtpPacket(Buffer.from(random))?.payload;
      return payload === undefined || payload.length <= random.length - 12;
    }),
  );
});
