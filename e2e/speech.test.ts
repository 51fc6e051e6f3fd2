import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { asChannels, convert, durationSeconds, inSequence, synthesize, withSilence } from './speech.ts';
import type { SpeechFormat } from './speech.ts';

const TEXT = 'the weather is fine today';
/** Magic bytes at the start of each container, as latin-1, and where they stand. */
const MAGIC: Readonly<Record<SpeechFormat, readonly [number, string]>> = {
  wav: [0, 'RIFF'],
  mp3: [0, 'ID3'],
  flac: [0, 'fLaC'],
  ogg: [0, 'OggS'],
  m4a: [4, 'ftyp'],
  webm: [0, '\x1aE\xdf\xa3'],
};
const HEADER_BYTES = 44;

/** Samples of a plain WAV file as flite writes it. */
async function samplesOf(file: string): Promise<Int16Array> {
  const bytes = await readFile(file);
  const start = bytes.indexOf('data') + 8;
  return new Int16Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length - ((bytes.length - start) % 2)));
}

function peak(samples: Int16Array): number {
  return samples.reduce((highest, each) => Math.max(highest, Math.abs(each)), 0);
}

describe('synthesized speech', () => {
  it('is 16 kHz mono 16 bit and longer than a breath', async () => {
    const bytes = await readFile(await synthesize(TEXT));
    assert.equal(bytes.readUInt16LE(22), 1);
    assert.equal(bytes.readUInt32LE(24), 16_000);
    assert.equal(bytes.readUInt16LE(34), 16);
    assert.ok(bytes.length > HEADER_BYTES + 16_000);
  });

  it('is made once, and by many callers at the same time', async () => {
    const text = `call ${process.pid}`;
    const files = new Set(await Promise.all(Array.from({ length: 4 }, () => synthesize(text, 'rms'))));
    assert.equal(files.size, 1);
    const [file = ''] = files;
    const { mtimeMs } = await stat(file);
    assert.equal(await synthesize(text, 'rms'), file);
    assert.equal((await stat(file)).mtimeMs, mtimeMs);
  });

  it('differs by voice and by text', async () => {
    const files = await Promise.all([synthesize(TEXT), synthesize(TEXT, 'rms'), synthesize(`${TEXT} too`)]);
    assert.equal(new Set(files).size, 3);
  });

  it('is padded by the silence asked for, and left as it is in between', async () => {
    const plain = await samplesOf(await synthesize(TEXT));
    const padded = await samplesOf(await withSilence(await synthesize(TEXT), 500, 250));
    assert.equal(padded.length, plain.length + 750 * 16);
    assert.equal(peak(padded.subarray(0, 500 * 16)), 0);
    assert.deepEqual(padded.slice(500 * 16, 500 * 16 + plain.length), plain);
    assert.equal(peak(padded.subarray(500 * 16 + plain.length)), 0);
  });

  it('can stand in a quiet room', async () => {
    const padded = await samplesOf(await withSilence(await synthesize(TEXT), 500, 0, 'room'));
    const lead = peak(padded.subarray(0, 500 * 16));
    assert.ok(lead > 0 && lead < 64, `peak of the silence is ${lead}`);
  });

  it('can be the channels of one file', async () => {
    const [one, other] = await Promise.all([synthesize(TEXT), synthesize(`${TEXT} ${TEXT}`, 'rms')]);
    const file = await asChannels(one, other);
    assert.equal((await readFile(file)).readUInt16LE(22), 2);
    const left = (await samplesOf(file)).filter((_, index) => index % 2 === 0);
    const plain = await samplesOf(one);
    assert.deepEqual(left.slice(0, plain.length), plain);
    assert.ok(Math.abs((await durationSeconds(file)) - (await durationSeconds(other))) < 0.01);
  });

  it('can be one recording after the other', async () => {
    const [one, other] = await Promise.all([synthesize(TEXT), synthesize(TEXT, 'rms')]);
    const joined = await samplesOf(await inSequence(one, other));
    assert.deepEqual(joined, Int16Array.from([...(await samplesOf(one)), ...(await samplesOf(other))]));
  });

  for (const [format, [offset, magic]] of Object.entries(MAGIC) as [SpeechFormat, (typeof MAGIC)[SpeechFormat]][]) {
    it(`comes as ${format}`, async () => {
      const speech = await synthesize(TEXT);
      const file = await convert(speech, format);
      assert.equal((await readFile(file)).subarray(offset, offset + magic.length).toString('latin1'), magic);
      assert.ok(Math.abs((await durationSeconds(file)) - (await durationSeconds(speech))) < 0.2);
    });
  }
});
