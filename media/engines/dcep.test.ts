import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { openedLabel } from './dcep.ts';

/** RFC 8832, section 5.1: type, channel type, priority, reliability, lengths of label and protocol, both texts. */
const open = (label: string, protocol = ''): Uint8Array => {
  const [labelBytes, protocolBytes] = [Buffer.from(label), Buffer.from(protocol)];
  const header = Buffer.alloc(12);
  header[0] = 0x03;
  header.writeUInt16BE(labelBytes.length, 8);
  header.writeUInt16BE(protocolBytes.length, 10);
  return Buffer.concat([header, labelBytes, protocolBytes]);
};

test('the label of the channel that a message opens', () => {
  assert.equal(openedLabel(open('oai-events')), 'oai-events');
  assert.equal(openedLabel(open('ä→', 'json')), 'ä→');
  assert.equal(openedLabel(open('')), '');
});

test('what opens no channel: an acknowledgement, a message cut short, anything else', () => {
  const whole = open('label', 'protocol');
  for (let length = 0; length < whole.length; length += 1) assert.equal(openedLabel(whole.subarray(0, length)), undefined);
  assert.equal(openedLabel(Uint8Array.of(0x02)), undefined);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => typeof openedLabel(bytes) !== 'object'));
});
