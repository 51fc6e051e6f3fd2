import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { NumberedLedger } from './numbered-ledger.ts';

test('whatever is cut and sent again, each byte is taken once and in order', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ back: fc.nat(40), send: fc.nat(60), piece: fc.integer({ min: 1, max: 25 }) }), { maxLength: 30 }), (connections) => {
      const stream = Uint8Array.from({ length: 4000 }, (_, index) => index % 251);
      const ledger = new NumberedLedger();
      const taken: number[] = [];
      for (const { back, send, piece } of connections) {
        let at = Math.max(0, ledger.position - back);
        ledger.resume(at);
        for (const end = at + send; at < end; at += piece) taken.push(...ledger.take(stream.subarray(at, Math.min(end, at + piece))));
        assert.equal(taken.length, ledger.position);
      }
      assert.deepEqual(taken, [...stream.subarray(0, taken.length)]);
    }),
  );
});

test('a client that would leave a hole is refused', () => {
  const ledger = new NumberedLedger();
  ledger.take(new Uint8Array(10));
  assert.throws(() => ledger.resume(11), { code: 'VALIDATION_ERROR' });
});
