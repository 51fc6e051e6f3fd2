import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { base64Bytes } from './fields.ts';

test('base64 gives its bytes, with and without padding', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = Buffer.from(bytes).toString('base64');
      assert.deepEqual(base64Bytes(text), Buffer.from(bytes));
      assert.deepEqual(base64Bytes(text.replace(/=+$/, '')), Buffer.from(bytes));
    }),
  );
});

test('what is no base64 gives none, wherever it is wrong', () => {
  for (const text of ['?', 'A', 'AA?A', 'AAAAA?', 'AAA=AAAA', 'AA AA', '====', '"']) assert.equal(base64Bytes(text), undefined, text);
  fc.assert(
    fc.property(fc.base64String({ minLength: 4 }), fc.nat(), fc.constantFrom('?', ' ', '"', '\\', 'é', '\n', '.'), (text, at, wrong) => {
      const place = at % text.length;
      assert.equal(base64Bytes(text.slice(0, place) + wrong + text.slice(place + 1)), undefined);
    }),
  );
});
