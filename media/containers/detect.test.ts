import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { detectContainer, SNIFF_BYTES, type Detection } from './detect.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const HEADS: readonly (readonly [Detection, Buffer, string])[] = [
  ['wav', hex('52494646 24080000 57415645'), 'RIFF'],
  ['wav', hex('52463634 ffffffff 57415645'), 'RF64'],
  ['mp3', hex('49443304 00000000 00235453'), 'ID3'],
  ['mp3', hex('fffb9064 00000000 00000000'), 'MPEG-1 Layer III'],
  ['mp3', hex('fff348c4 00000000 00000000'), 'MPEG-2 Layer III'],
  ['mp3', hex('ffe318c4 00000000 00000000'), 'MPEG-2.5 Layer III'],
  ['flac', hex('664c6143 00000022 10001000'), 'FLAC'],
  ['ogg', hex('4f676753 00020000 00000000'), 'Ogg'],
  ['mp4', hex('0000001c 66747970 4d344120'), 'M4A'],
  ['mp4', hex('00000018 73747970 6d736468'), 'media segment'],
  ['webm', hex('1a45dfa3 9f428681 0142f781'), 'WebM'],
  ['unknown', hex('504b0304 14000000 08000000'), 'zip'],
  ['unknown', hex('89504e47 0d0a1a0a 0000000d'), 'png'],
  ['unknown', hex('ffd8ffe0 00104a46 49460001'), 'jpeg'],
  ['unknown', Buffer.from('<!doctype html><html>'), 'html'],
  ['unknown', Buffer.from('{"type":"open"}'), 'json'],
  ['unknown', Buffer.from('#EXTM3U\nfile:///etc/hosts'), 'a playlist'],
  ['unknown', Buffer.from('ffconcat version 1.0'), 'a list of files'],
  ['unknown', Buffer.from('hello world, this is text'), 'text'],
  ['unknown', hex('efbbbf48 656c6c6f 20776f72'), 'UTF-8 with mark'],
  ['unknown', hex('fffe4800 65006c00 6c006f00'), 'UTF-16 with mark'],
  ['unknown', hex('fff15080 02bffc21 00000000'), 'bare AAC'],
  ['unknown', hex('fffbf064 00000000 00000000'), 'MPEG with a forbidden bit rate'],
  ['unknown', hex('fffb9c64 00000000 00000000'), 'MPEG with a forbidden sample rate'],
  ['unknown', Buffer.alloc(12), 'zeros'],
];

for (const [expected, head, what] of HEADS) {
  test(`${what} is ${expected}`, () => assert.equal(detectContainer(head), expected));
}

test('a beginning of a known head is incomplete, never something else', () => {
  for (const [expected, head, what] of HEADS.filter(([known]) => known !== 'unknown')) {
    for (let length = 0; length < SNIFF_BYTES; length++) {
      const found = detectContainer(head.subarray(0, length));
      assert.ok(found === 'incomplete' || found === expected, `${what}, ${length} bytes: ${found}`);
    }
  }
});

test('enough bytes are never incomplete', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: SNIFF_BYTES, maxLength: 20 }), (head) => {
      assert.notEqual(detectContainer(head), 'incomplete');
    }),
  );
});
