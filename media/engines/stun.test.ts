import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { classes, Message, methods } from 'werift';
import { datagramKind, isRtcp, readStunEnvelope } from './stun.ts';

const request = (): Message => new Message(methods.BINDING, classes.REQUEST).setAttribute('USERNAME', 'here:there').setAttribute('PRIORITY', 7);
const KEY = Buffer.from('key');

test('a datagram is told by its first byte (RFC 7983)', () => {
  const kinds = [0, 3, 4, 19, 20, 63, 64, 79, 127, 128, 191, 192, 255].map((first) => datagramKind(Uint8Array.of(first)));
  assert.deepEqual(kinds, ['stun', 'stun', 'unknown', 'unknown', 'dtls', 'dtls', 'unknown', 'unknown', 'unknown', 'media', 'media', 'unknown', 'unknown']);
  assert.equal(datagramKind(new Uint8Array()), 'unknown');
  assert.deepEqual([191, 192, 223, 224].map((type) => isRtcp(Uint8Array.of(128, type))), [false, true, true, false]);
});

test('a request tells whom it is for, if it claims to be authentic', () => {
  const signed = request().addMessageIntegrity(KEY).addFingerprint();
  assert.deepEqual(readStunEnvelope(signed.bytes), { isRequest: true, transactionId: signed.transactionIdHex, ufrag: 'here' });
  assert.equal(readStunEnvelope(request().bytes), undefined);
  assert.equal(readStunEnvelope(Buffer.concat([signed.bytes, Buffer.alloc(4)])), undefined, 'longer than it says');
  const response = new Message(methods.BINDING, classes.RESPONSE, signed.transactionId).addMessageIntegrity(KEY);
  assert.deepEqual(readStunEnvelope(response.bytes), { isRequest: false, transactionId: signed.transactionIdHex, ufrag: '' });
});

test('any bytes are survived', () => {
  const seed = request().addMessageIntegrity(KEY).addFingerprint().bytes;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 6 }), fc.nat(seed.length), (changes, length) => {
      const bytes = Buffer.from(seed);
      for (const [at, value] of changes) bytes[at] = value;
      const envelope = readStunEnvelope(bytes.subarray(0, length));
      assert.ok(!envelope || length === seed.length);
    }),
  );
});
