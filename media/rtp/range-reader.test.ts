import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { RangeReader } from './range-reader.ts';

/** Symbols of 2, 4 and 8 values, and where they begin. */
const RANGES = [251, 0, 128, 0, 3, 0, 232, 158, 10, 0, 224, 112, 44, 15, 3, 2, 1, 0];
const [BITS, SYMBOLS] = [
  [0, 2, 4],
  [6, 10],
];

/** What there is to read, each from 0 to 1: any bytes are a code. */
function read(reader: RangeReader, data: Uint8Array, from: number, lots: readonly number[]): number[] {
  reader.start(data, from);
  return lots.map((lot) => {
    if (lot < 0.4) return reader.bit(BITS[Math.floor(lot * 7)] ?? 0);
    if (lot < 0.8) return reader.symbol(SYMBOLS[Math.floor((lot - 0.4) * 5)] ?? 0);
    return reader.isSet(1 + Math.floor((lot - 0.8) * 20)) ? 1 : 0;
  });
}

const lots = fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 40, size: 'max' });
const bytes = fc.uint8Array({ minLength: 2, maxLength: 60, size: 'max' });

test('a packet that is cut behind what was read is read alike, and has nothing left over', () => {
  const [reader, again] = [new RangeReader(RANGES), new RangeReader(RANGES)];
  let [cuts, others] = [0, 0];
  fc.assert(
    fc.property(bytes, lots, (data, lots) => {
      const values = read(reader, data, 1, lots);
      const { bits } = reader;
      fc.pre(bits <= 8 * data.length);
      const to = new Uint8Array(data.length);
      const length = reader.cut(to);
      assert.deepEqual(read(again, to.subarray(0, length), 1, lots), values);
      assert.equal(again.bits, bits);
      assert.ok(8 * length - bits < 17);
      if (length < data.length) cuts += 1;
      if (to.subarray(0, length).some((byte, i) => byte !== data[i])) others += 1;
    }),
    { numRuns: 30_000, seed: 1 },
  );
  assert.ok(cuts > 10_000 && others > 0, `cut: ${String(cuts)}, ended with other bytes: ${String(others)}`);
});

test('a symbol of two values is the same bit', () => {
  const [reader, other] = [new RangeReader(RANGES), new RangeReader(RANGES)];
  fc.assert(
    fc.property(bytes, (data) => {
      reader.start(data, 0);
      other.start(data, 0);
      for (let i = 0; i < 100; i += 1) {
        const at = BITS[i % BITS.length] ?? 0;
        assert.equal(reader.bit(at), other.symbol(at));
        assert.equal(reader.bits, other.bits);
      }
    }),
  );
});
