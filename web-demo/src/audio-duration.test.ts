import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { durationSeconds } from './audio-duration.ts';

const bytes = (...parts: readonly (string | readonly number[])[]): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? Array.from(part, (each) => each.charCodeAt(0)) : part)));
const le32 = (value: number): number[] => [value, value >>> 8, value >>> 16, value >>> 24].map((byte) => byte & 255);
const be32 = (value: number): number[] => le32(value).reverse();
const seconds = (file: Uint8Array<ArrayBuffer>, sizeBytes = file.length): number | undefined => durationSeconds(file, file, sizeBytes);

const wav = (dataBytes: number): Uint8Array<ArrayBuffer> =>
  bytes('RIFF', le32(0), 'WAVE', 'LIST', le32(3), [1, 2, 3, 0], 'fmt ', le32(16), [1, 0, 1, 0], le32(16_000), le32(32_000), [2, 0, 16, 0], 'data', le32(dataBytes));

test('WAV: bytes by bytes per second, chunks in any order before the data', () => {
  assert.equal(seconds(wav(64_000), 1_000_000), 2);
});

test('WAV that was streamed and does not know its length: the file\'s size tells', () => {
  const header = wav(0xffff_ffff);
  assert.equal(seconds(header, header.length + 96_000), 3);
});

test('FLAC: 36 bits of samples', () => {
  const packed = [0x03, 0xe8, 0x00, 0xf1]; // 16 kHz, mono, 16 bit, upper bits of the count = 1
  assert.equal(seconds(bytes('fLaC', new Array<number>(14).fill(0), packed, be32(0))), 2 ** 32 / 16_000);
});

test('Ogg: the last page\'s granule, at 48 kHz for Opus and at the stream\'s rate for Vorbis', () => {
  const page = (granule: number): (string | number[])[] => ['OggS', [0, 0], le32(granule), le32(0), new Array<number>(14).fill(0)];
  assert.equal(seconds(bytes(...page(0), 'OpusHead', ...page(96_000))), 2);
  const vorbis = bytes(...page(0), [1], 'vorbis', le32(0), [1], le32(44_100), ...page(132_300));
  assert.equal(seconds(vorbis), 3);
});

test('MP4: the movie header, wherever it lies', () => {
  const header = bytes(be32(0), 'mvhd', be32(0), be32(0), be32(0), be32(1000), be32(4500));
  assert.equal(durationSeconds(bytes(be32(24), 'ftypM4A '), header, 1e6), 4.5);
});

test('MP3: the frame count if the encoder wrote one, else the first frame\'s bit rate', () => {
  const frame = [0xff, 0xfb, 0x90, 0xc0]; // version 1, 128 kbit/s, 44.1 kHz, mono
  assert.equal(seconds(bytes(frame, new Array<number>(60).fill(0)), 160_000), 10);
  const counted = bytes('ID3', [4, 0, 0, 0, 0, 0, 5], [0, 0, 0, 0, 0], frame, new Array<number>(17).fill(0), 'Xing', be32(1), be32(100));
  assert.equal(seconds(counted), (100 * 1152) / 44_100);
});

test('no bytes make it throw', () => {
  const starts = fc.constantFrom('RIFF', 'fLaC', 'OggS', '\0\0\0\0ftypmvhd', 'ID3', '\xff\xfb');
  fc.assert(fc.property(starts, fc.uint8Array({ maxLength: 80 }), (start, rest) => {
    const result = seconds(bytes(start, [...rest]));
    assert.ok(result === undefined || result > 0);
  }));
});
