import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Mp4Layout, type Mp4Decision } from './mp4-layout.ts';

function box(type: string, bodyBytes: number, size = 8 + bodyBytes): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(size);
  header.write(type, 4);
  return Buffer.concat([header, Buffer.alloc(bodyBytes)]);
}

function decide(bytes: Buffer, step = bytes.length): Mp4Decision {
  const layout = new Mp4Layout();
  let decision: Mp4Decision = 'undecided';
  for (let from = 0; from < bytes.length; from += step) decision = layout.push(bytes.subarray(from, from + step));
  return decision;
}

const largeFree = Buffer.concat([box('free', 8, 1), Buffer.alloc(5)]);
largeFree.writeBigUInt64BE(21n, 8);

const LAYOUTS: readonly (readonly [string, Mp4Decision, Buffer])[] = [
  ['index first', 'stream', Buffer.concat([box('ftyp', 20), box('free', 0), box('moov', 3)])],
  ['fragments', 'stream', Buffer.concat([box('styp', 8), box('sidx', 30), box('moof', 0)])],
  ['samples first', 'spool', Buffer.concat([box('ftyp', 20), box('mdat', 9), box('moov', 3)])],
  ['a 64-bit size', 'stream', Buffer.concat([largeFree, box('moov', 0)])],
  ['an impossible size', 'spool', Buffer.concat([box('ftyp', 0, 7), box('moov', 0)])],
  ['a box to the end of the file', 'spool', Buffer.concat([box('free', 0, 0), box('moov', 0)])],
  ['no decision yet', 'undecided', box('ftyp', 40)],
  ['an endless box', 'spool', box('free', 256 * 1024, 0x7fff_ffff)],
];

for (const [what, expected, bytes] of LAYOUTS) {
  test(`${what}: ${expected}`, () => {
    for (const step of [1, 3, 16, bytes.length]) assert.equal(decide(bytes, step), expected, `step ${step}`);
  });
}

test('any bytes get a decision that does not depend on their cutting', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (bytes, step) => {
      assert.equal(decide(Buffer.from(bytes), step), decide(Buffer.from(bytes)));
    }),
  );
});
