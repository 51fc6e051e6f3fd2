import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { rtpExtension, rtpHeaderBytes } from './rtp-layout.ts';
import { rtpPacket } from './testing/srtp-sender.ts';

test('the header ends behind sources and extension', () => {
  const plain = rtpPacket(Buffer.from('abc'));
  assert.equal(rtpHeaderBytes(plain), 12);
  assert.equal(rtpHeaderBytes(plain.subarray(0, 11)), 0);
  const extended = rtpPacket(Buffer.from('abc'), { extensions: [{ id: 4, data: Buffer.from('mid0') }] });
  assert.equal(rtpHeaderBytes(extended), 12 + 4 + 8);
  assert.equal(rtpHeaderBytes(extended.subarray(0, 23)), 0);
  const withSources = Buffer.concat([Buffer.of(0x83), plain.subarray(1, 12), Buffer.alloc(12)]);
  assert.equal(rtpHeaderBytes(withSources), 24);
  assert.equal(rtpHeaderBytes(withSources.subarray(0, 23)), 0);
  assert.equal(rtpHeaderBytes(Buffer.concat([Buffer.of(0x40), plain.subarray(1)])), 0, 'not version 2');
});

test('an extension is found among others, in either form', () => {
  const packet = rtpPacket(Buffer.from('abc'), {
    extensions: [
      { id: 1, data: Buffer.of(1) },
      { id: 4, data: Buffer.from('audio-1') },
    ],
  });
  const end = rtpHeaderBytes(packet);
  assert.equal(Buffer.from(rtpExtension(packet, end, 4) ?? []).toString(), 'audio-1');
  assert.equal(rtpExtension(packet, end, 5), undefined);
  const twoByte = Buffer.concat([Buffer.of(0x90), packet.subarray(1, 12), Buffer.of(0x10, 0, 0, 2, 0, 9, 0, 4, 3), Buffer.from('mid')]);
  assert.equal(Buffer.from(rtpExtension(twoByte, rtpHeaderBytes(twoByte), 4) ?? []).toString(), 'mid');
  assert.equal(rtpExtension(twoByte, rtpHeaderBytes(twoByte), 9)?.length, 0);
});

test('any bytes are read without leaving the header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 120 }), fc.integer({ min: 1, max: 14 }), (bytes, id) => {
      bytes[0] = 0x90 | ((bytes[0] ?? 0) & 3);
      bytes[12] = 0xbe;
      bytes[13] = 0xde;
      const end = rtpHeaderBytes(bytes);
      assert.ok(end === 0 || (end >= 16 && end <= bytes.length));
      const found = end === 0 ? undefined : rtpExtension(bytes, end, id);
      assert.ok(!found || found.byteOffset - bytes.byteOffset + found.length <= end);
    }),
  );
});
