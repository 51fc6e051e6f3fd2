import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALAW_TO_LINEAR, MULAW_TO_LINEAR } from './g711.ts';

// Values of the decision tables 1a/1b and 2a/2b of G.711, scaled to 16 bits as ITU-T G.191 does.
test('mu-law codes expand to their known values', () => {
  const known: readonly (readonly [number, number])[] = [
    [0x00, -32124], [0x01, -31100], [0x0f, -16764], [0x10, -15996], [0x7e, -8], [0x7f, 0],
    [0x80, 32124], [0x8f, 16764], [0xaf, 4092], [0xcf, 924], [0xef, 132], [0xfe, 8], [0xff, 0],
  ];
  for (const [code, linear] of known) assert.equal(MULAW_TO_LINEAR[code], linear, `code ${code}`);
});

test('A-law codes expand to their known values', () => {
  const known: readonly (readonly [number, number])[] = [
    [0x00, -5504], [0x2a, -32256], [0x55, -8], [0x54, -24], [0x7f, -848], [0xaa, 32256], [0xab, 31232], [0xd5, 8], [0xd4, 24], [0x80, 5504],
  ];
  for (const [code, linear] of known) assert.equal(ALAW_TO_LINEAR[code], linear, `code ${code}`);
});

test('both laws are odd functions of the sign bit', () => {
  for (let code = 0; code < 128; code++) {
    assert.equal(MULAW_TO_LINEAR[code], -(MULAW_TO_LINEAR[code | 0x80] ?? NaN) + 0);
    assert.equal(ALAW_TO_LINEAR[code], -(ALAW_TO_LINEAR[code | 0x80] ?? NaN));
  }
});
