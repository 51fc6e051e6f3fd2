import assert from 'node:assert/strict';
import test from 'node:test';
import { fuzz, fuzzTargets } from './testing/media-fuzz.ts';

// A small share of `npm run fuzz:media`.
test('what strangers can send is survived', () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);
  assert.equal(fuzz(fuzzTargets(), 20_000, seed), undefined, `FUZZ_SEED=${String(seed)}`);
});

test('the fuzzer finds a fault that is there', () => {
  const fault = fuzz([{ name: 'careless', seeds: [Buffer.from('0123456789')], feed: (input) => void input.readUInt32BE(4) }], 1000, 1);
  assert.equal(fault?.target, 'careless');
});
