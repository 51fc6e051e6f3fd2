import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { bindFastGcm } from './fast-gcm.ts';

test('it opens what node:crypto seals, for one key after another, and nothing that was touched', () => {
  const open = bindFastGcm();
  assert.ok(open, 'this Node shows its OpenSSL');
  const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
  fc.assert(
    fc.property(bytes(16), bytes(12), fc.uint8Array({ minLength: 12, maxLength: 40 }), fc.uint8Array({ maxLength: 1400 }), fc.nat(), (key, vector, associated, text, where) => {
      const cipher = createCipheriv('aes-128-gcm', key, vector).setAAD(associated);
      const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
      const tag = cipher.getAuthTag();
      const opened = Buffer.from(sealed);
      assert.ok(open(key, vector, Buffer.concat([associated, text]), associated.length, opened, tag));
      assert.deepEqual(opened, Buffer.from(text));
      const parts = [key, vector, associated, sealed, tag].map((part) => Uint8Array.from(part));
      const touched = parts[where % parts.length];
      if (!touched || touched.length === 0) return;
      touched[where % touched.length]! ^= 1 + (where % 255);
      const [otherKey = key, otherVector = vector, otherAssociated = associated, otherText = sealed, otherTag = tag] = parts;
      assert.equal(open(otherKey, otherVector, otherAssociated, otherAssociated.length, otherText, otherTag), false);
    }),
    { numRuns: 300 },
  );
});
