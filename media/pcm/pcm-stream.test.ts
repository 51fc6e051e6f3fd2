import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PcmStream, type PcmFormat } from './pcm-stream.ts';
import { BYTES_PER_SAMPLE, type SampleEncoding } from './sample-encoding.ts';

function decode(bytes: Uint8Array, format: PcmFormat, cuts: readonly number[] = []): number[][] {
  const stream = new PcmStream(format);
  const lanes = Array.from({ length: format.channels }, (): number[] => []);
  const take = (block: readonly Int16Array[]): void => {
    for (const [index, samples] of block.entries()) lanes[index]?.push(...samples);
  };
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    for (const block of stream.push(bytes.subarray(from, cut))) take(block);
    from = cut;
  }
  for (const block of stream.flush()) take(block);
  return lanes;
}

const mono = (encoding: SampleEncoding): PcmFormat => ({ encoding, channels: 1, sampleRateHz: 16_000 });
const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('every encoding decodes its recorded vector', () => {
  const vectors: readonly (readonly [SampleEncoding, string, readonly number[]])[] = [
    ['u8', '00 80 ff 81', [-32768, 0, 32512, 256]],
    ['s16', '0080 0000 ff7f 0100 ffff', [-32768, 0, 32767, 1, -1]],
    ['s24', '000080 000000 ffff7f 800000 7f0000 80ffff 7fffff', [-32768, 0, 32767, 1, 0, 0, -1]],
    ['s32', '00000080 00000000 ffffff7f 00800000 ff7f0000 0000ffff', [-32768, 0, 32767, 1, 0, -1]],
    ['f32', '000080bf 00000000 0000803f 0000003f 0000c07f 0000807f 000080ff', [-32768, 0, 32767, 16384, 0, 32767, -32768]],
    ['f64', '000000000000f0bf 000000000000e03f', [-32768, 16384]],
    ['mulaw', '00 80 ff 7f', [-32124, 32124, 0, 0]],
    ['alaw', '2a aa d5 55', [-32256, 32256, 8, -8]],
  ];
  for (const [encoding, bytes, samples] of vectors) assert.deepEqual(decode(hex(bytes), mono(encoding)), [samples], encoding);
});

test('channels come apart in order and a last incomplete frame is dropped', () => {
  const bytes = hex('0100 0200 0300  0400 0500 0600  0700 08');
  assert.deepEqual(decode(bytes, { encoding: 's16', channels: 3, sampleRateHz: 16_000 }), [[1, 4], [2, 5], [3, 6]]);
});

test('the samples do not depend on how the bytes are cut, nor on their alignment in memory', () => {
  const encodings = Object.keys(BYTES_PER_SAMPLE) as SampleEncoding[];
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 700 }),
      fc.array(fc.nat(700), { maxLength: 30 }),
      fc.constantFrom(...encodings),
      fc.integer({ min: 1, max: 8 }),
      fc.constantFrom(8000, 16_000, 44_100),
      (bytes, at, encoding, channels, sampleRateHz) => {
        const cuts = at.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b);
        const format = { encoding, channels, sampleRateHz };
        const shifted = new Uint8Array(bytes.length + 1);
        shifted.set(bytes, 1);
        assert.deepEqual(decode(shifted.subarray(1), format, cuts), decode(bytes, format));
      },
    ),
    { numRuns: 150 },
  );
});

test('one huge chunk comes out in small blocks', () => {
  for (const sampleRateHz of [4000, 16_000, 44_100, 192_000]) {
    const stream = new PcmStream({ encoding: 'u8', channels: 2, sampleRateHz });
    let blocks = 0;
    for (const block of stream.push(new Uint8Array(400_000))) {
      blocks += 1;
      assert.ok((block[0]?.length ?? 0) <= 1700, `${block[0]?.length}`);
    }
    assert.ok(blocks > 9);
  }
});
