import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EarshotError, type ErrorCode } from '../../src/core/errors.ts';
import type { PcmFormat } from '../pcm/pcm-stream.ts';
import { WavParser } from './wav.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const u16 = (value: number): Buffer => Buffer.from(Uint16Array.of(value).buffer);
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const chunk = (id: string, body: Buffer, size = body.length): Buffer =>
  Buffer.concat([Buffer.from(id), u32(size), body, Buffer.alloc(body.length % 2)]);

interface FormatFields {
  readonly tag?: number;
  readonly channels?: number;
  readonly rate?: number;
  readonly align?: number;
  readonly bits?: number;
}

function formatBody({ tag = 1, channels = 1, rate = 16_000, bits = 16, align = (channels * bits) / 8 }: FormatFields = {}): Buffer {
  return Buffer.concat([u16(tag), u16(channels), u32(rate), u32(rate * align), u16(align), u16(bits)]);
}

const wav = (...chunks: readonly Buffer[]): Buffer => Buffer.concat([Buffer.from('RIFF'), u32(4 + Buffer.concat(chunks).length), Buffer.from('WAVE'), ...chunks]);

interface Parsed {
  readonly format: PcmFormat | undefined;
  readonly samples: string;
  readonly done: boolean;
}

function parse(bytes: Uint8Array, step = bytes.length, maxChannels = 8): Parsed {
  const parser = new WavParser(maxChannels);
  const parts: Uint8Array[] = [];
  for (let from = 0; from < bytes.length; from += Math.max(1, step)) parts.push(parser.push(bytes.subarray(from, from + step)));
  parser.end();
  return { format: parser.format, samples: Buffer.concat(parts).toString('hex'), done: parser.done };
}

function refuses(bytes: Uint8Array, code: ErrorCode, message?: RegExp): void {
  assert.throws(
    () => parse(bytes),
    (error: unknown) => error instanceof EarshotError && error.code === code && (message ?? /./).test(error.message),
    `expected ${code}`,
  );
}

// Assembled by hand after the field tables of Microsoft (WAVEFORMATEX and WAVEFORMATEXTENSIBLE, mmreg.h).
const PLAIN = hex('52494646 2c000000 57415645 666d7420 10000000 0100 0200 401f0000 007d0000 0400 1000 64617461 08000000 01000200 03000400');
const EXTENSIBLE = hex(
  `52494646 48000000 57415645 666d7420 28000000 feff 0100 80bb0000 80320200 0300 1800 1600 1800 04000000
   0100 000000001000800000aa00389b71 64617461 03000000 010203 00`,
);

test('a recorded plain header and a recorded extensible one', () => {
  assert.deepEqual(parse(PLAIN), { format: { encoding: 's16', channels: 2, sampleRateHz: 8000 }, samples: '0100020003000400', done: true });
  assert.deepEqual(parse(EXTENSIBLE), { format: { encoding: 's24', channels: 1, sampleRateHz: 48_000 }, samples: '010203', done: true });
});

test('every encoding is told by tag and bits', () => {
  const known = [
    [1, 8, 'u8'], [1, 16, 's16'], [1, 24, 's24'], [1, 32, 's32'], [3, 32, 'f32'], [3, 64, 'f64'], [6, 8, 'alaw'], [7, 8, 'mulaw'],
  ] as const;
  for (const [tag, bits, encoding] of known) {
    const file = wav(chunk('fmt ', formatBody({ tag, bits, channels: 3 })), chunk('data', Buffer.alloc(bits)));
    assert.equal(parse(file).format?.encoding, encoding);
  }
  const twentyBits = wav(chunk('fmt ', formatBody({ bits: 20, align: 3 })), chunk('data', Buffer.alloc(3)));
  assert.equal(parse(twentyBits).format?.encoding, 's24');
});

test('other chunks are skipped, with their padding, and what follows the samples is ignored', () => {
  const file = wav(
    chunk('JUNK', Buffer.alloc(0)),
    chunk('LIST', Buffer.from('INFOabc')),
    chunk('fmt ', Buffer.concat([formatBody(), u16(0)])),
    chunk('fact', u32(2)),
    chunk('data', hex('11112222')),
    chunk('LIST', Buffer.from('dataxxxx')),
  );
  for (const step of [1, 2, 3, 7, file.length]) assert.equal(parse(file, step).samples, '11112222', `step ${step}`);
});

test('a size of 0, of 0xFFFFFFFF or beyond the end means all that comes', () => {
  for (const size of [0, 0xffff_ffff, 1000]) {
    const file = wav(chunk('fmt ', formatBody()), chunk('data', hex('11112222'), size));
    assert.deepEqual([parse(file, 1).samples, parse(file).done], ['11112222', false], `size ${size}`);
  }
});

test('samples stop at their announced end', () => {
  const file = wav(chunk('fmt ', formatBody()), chunk('data', hex('111122223333'), 4));
  assert.deepEqual([parse(file).samples, parse(file, 1).samples, parse(file).done], ['11112222', '11112222', true]);
});

test('RF64 takes the size from its ds64 chunk', () => {
  const ds64 = Buffer.concat([Buffer.alloc(8), u32(4), u32(0), Buffer.alloc(8), u32(0)]);
  const file = wav(chunk('ds64', ds64), chunk('fmt ', formatBody()), chunk('data', hex('111122223333'), 0xffff_ffff));
  file.write('RF64');
  assert.equal(parse(file).samples, '11112222');
  assert.equal(parse(file, 1).samples, '11112222');
});

test('impossible headers are malformed', () => {
  const samples = chunk('data', Buffer.alloc(4));
  refuses(wav(chunk('fmt ', formatBody({ rate: 0 })), samples), 'AUDIO_MALFORMED', /0 Hz/);
  refuses(wav(chunk('fmt ', formatBody({ channels: 0, align: 2 })), samples), 'AUDIO_MALFORMED', /0 channels/);
  refuses(wav(chunk('fmt ', formatBody({ align: 3 })), samples), 'AUDIO_MALFORMED', /3 bytes per frame/);
  refuses(wav(chunk('fmt ', formatBody().subarray(0, 14)), samples), 'AUDIO_MALFORMED');
  refuses(wav(samples), 'AUDIO_MALFORMED', /before/);
  refuses(wav(chunk('fmt ', formatBody()), chunk('fmt ', formatBody()), samples), 'AUDIO_MALFORMED', /twice/);
  refuses(wav(chunk('fmt ', formatBody({ tag: 0xfffe })), samples), 'AUDIO_MALFORMED', /extensible/);
});

test('what is beyond us is unsupported', () => {
  const samples = chunk('data', Buffer.alloc(4));
  refuses(wav(chunk('fmt ', formatBody({ rate: 192_001 })), samples), 'AUDIO_UNSUPPORTED', /192001 Hz/);
  refuses(wav(chunk('fmt ', formatBody({ rate: 3999 })), samples), 'AUDIO_UNSUPPORTED', /3999 Hz/);
  refuses(wav(chunk('fmt ', formatBody({ channels: 9 })), samples), 'AUDIO_UNSUPPORTED', /9 channels; at most 8/);
  refuses(wav(chunk('fmt ', formatBody({ channels: 30 })), samples), 'AUDIO_UNSUPPORTED', /30 channels/);
  refuses(wav(chunk('fmt ', formatBody({ tag: 0x55 })), samples), 'AUDIO_UNSUPPORTED', /0x0055/);
  refuses(wav(chunk('fmt ', formatBody({ bits: 64 })), samples), 'AUDIO_UNSUPPORTED');
  refuses(Buffer.concat([Buffer.from('RIFF'), u32(4), Buffer.from('AVI ')]), 'AUDIO_UNSUPPORTED', /not WAVE/);
  for (const rate of [4000, 192_000]) parse(wav(chunk('fmt ', formatBody({ rate })), samples));
  parse(wav(chunk('fmt ', formatBody({ channels: 8 })), samples));
});

test('an end anywhere in the header is a truncation', () => {
  for (let length = 0; length < 44; length++) refuses(PLAIN.subarray(0, length), 'AUDIO_TRUNCATED');
  assert.equal(parse(PLAIN.subarray(0, 44)).samples, '');
});

test('the header is bounded, however its chunks are cut', () => {
  const parser = new WavParser(8);
  parser.push(wav(chunk('LIST', Buffer.alloc(0), 0x7fff_ffff)));
  const megabyte = new Uint8Array(1024 * 1024);
  for (let count = 0; count < 3; count++) parser.push(megabyte);
  assert.throws(() => parser.push(megabyte), { code: 'AUDIO_MALFORMED' });
});

test('mutated headers fail with our own codes or parse the same in any chunking', () => {
  const base = wav(chunk('LIST', Buffer.alloc(3)), chunk('fmt ', formatBody()), chunk('data', Buffer.alloc(40, 7)));
  const outcome = (bytes: Uint8Array, step: number): unknown => {
    try {
      return parse(bytes, step);
    } catch (error) {
      assert.ok(error instanceof EarshotError && error.code.startsWith('AUDIO_'), String(error));
      return error.code;
    }
  };
  const mutation = fc.tuple(fc.nat(base.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(mutation, { maxLength: 4 }), fc.integer({ min: 1, max: 9 }), (mutations, step) => {
      const bytes = Buffer.from(base);
      for (const [at, value] of mutations) bytes[at] = value;
      assert.deepEqual(outcome(bytes, step), outcome(bytes, bytes.length));
    }),
    { numRuns: 500 },
  );
});
