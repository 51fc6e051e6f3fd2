import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AudioFormat } from '../../src/core/audio.ts';
import { EarshotError, type ErrorCode } from '../../src/core/errors.ts';
import { AUTO, collect, collectAll, decodeAll, inChunks, readSamples, Sender, wavHeader } from './fixtures.ts';
import { createAudioDecoder } from './index.ts';
import { MAX_QUEUED_SAMPLES } from './lane-bank.ts';

const decoder = createAudioDecoder();
const never = new AbortController().signal;
const code = (expected: ErrorCode) => (error: unknown): boolean => error instanceof EarshotError && error.code === expected;

const ramp = (frames: number, channels: number): Int16Array => Int16Array.from({ length: frames * channels }, (_, n) => (n % channels) * 10_000 + Math.floor(n / channels) % 5000);
const bytesOf = (samples: Int16Array): Buffer => Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
const wavOf = (samples: Int16Array, channels = 1, rate = 16_000): Buffer => Buffer.concat([wavHeader(channels, rate, samples.byteLength), bytesOf(samples)]);

test('a WAV file of three channels is three lanes, sample for sample', async () => {
  const lanes = await decodeAll(inChunks(wavOf(ramp(40_000, 3), 3), 1000));
  assert.equal(lanes.length, 3);
  for (const [channel, samples] of lanes.entries()) {
    assert.deepEqual(samples, Int16Array.from({ length: 40_000 }, (_, n) => channel * 10_000 + (n % 5000)));
  }
});

test('frames have at most 100 ms', async () => {
  const { lanes } = await decoder(inChunks(wavOf(ramp(20_000, 1))), AUTO, never);
  for await (const item of lanes[0] ?? []) assert.ok(item.kind === 'pcm' && item.samples.length <= 1600 && item.samples.length > 0);
});

test('bytes one by one give the same samples', async () => {
  const file = wavOf(ramp(3000, 2), 2, 44_100);
  assert.deepEqual(await decodeAll(inChunks(file, 1)), await decodeAll(inChunks(file)));
});

test('raw audio is taken as declared', async () => {
  const format: AudioFormat = { container: 'raw', encoding: 'mulaw', sampleRateHz: 8000, channels: 2 };
  const lanes = await decodeAll(inChunks(new Uint8Array(1600).fill(0xff)), format);
  assert.deepEqual(lanes, [new Int16Array(1600), new Int16Array(1600)]);
});

test('channels are mixed into one lane where that is asked for', async () => {
  const lanes = await decodeAll(inChunks(wavOf(ramp(4000, 3), 3), 1000), { container: 'wav', mixdown: true });
  assert.deepEqual(lanes, [Int16Array.from({ length: 4000 }, (_, n) => 10_000 + n)]);
});

test('raw audio may begin with a WAV header, which is then believed', async () => {
  const file = wavOf(ramp(500, 2), 2);
  assert.equal((await decodeAll(inChunks(file, 5), { container: 'raw' })).length, 2);
  const riffNoise = Buffer.from('RIFFnoise of a raw stream!');
  assert.deepEqual((await decodeAll(inChunks(riffNoise, 3), { container: 'raw' })).map((lane) => lane.length), [13]);
  const otherwise: AudioFormat = { container: 'raw', encoding: 'u8' };
  assert.deepEqual((await decodeAll(inChunks(file, 3), otherwise)).map((lane) => lane.length), [500, 500]);
  assert.deepEqual((await decodeAll(inChunks(riffNoise, 3), otherwise)).map((lane) => lane.length), [26]);
});

test('real bytes win over the declared container', async () => {
  assert.equal((await decodeAll(inChunks(wavOf(ramp(50, 2), 2)), { container: 'mp3' })).length, 2);
  for (const text of ['hello, I am a text renamed .wav', 'PK\x03\x04 a zip archive', '<html><body>', '{']) {
    await assert.rejects(decodeAll(inChunks(Buffer.from(text)), { container: 'wav' }), code('AUDIO_UNSUPPORTED'), text);
  }
});

test('nothing, not enough and not one sample are told apart', async () => {
  await assert.rejects(decodeAll(inChunks(new Uint8Array(0))), code('AUDIO_EMPTY'));
  await assert.rejects(decodeAll(inChunks(new Uint8Array(0)), { container: 'raw' }), code('AUDIO_EMPTY'));
  await assert.rejects(decodeAll(inChunks(Buffer.from('RIF'))), code('AUDIO_TRUNCATED'));
  await assert.rejects(decodeAll(inChunks(wavHeader(1, 16_000, 100).subarray(0, 40))), code('AUDIO_TRUNCATED'));
  await assert.rejects(decodeAll(inChunks(wavHeader(1, 16_000, 100))), code('AUDIO_EMPTY'));
  await assert.rejects(decodeAll(inChunks(Buffer.concat([wavHeader(2, 16_000, 100), Buffer.alloc(3)]))), code('AUDIO_EMPTY'));
});

test('channels at the limit are taken, one more is not', async () => {
  const four = createAudioDecoder({ maxChannels: 4 });
  assert.equal((await decodeAll(inChunks(wavOf(ramp(10, 4), 4)), AUTO, four)).length, 4);
  await assert.rejects(decodeAll(inChunks(wavOf(ramp(10, 5), 5)), AUTO, four), code('AUDIO_UNSUPPORTED'));
  await assert.rejects(decodeAll(inChunks(wavOf(ramp(10, 30), 30))), code('AUDIO_UNSUPPORTED'));
  await assert.rejects(decodeAll(inChunks(Buffer.alloc(64)), { container: 'raw', channels: 9 }), code('AUDIO_UNSUPPORTED'));
  await assert.rejects(decodeAll(inChunks(Buffer.alloc(64)), { container: 'raw', sampleRateHz: 0 }), code('AUDIO_MALFORMED'));
});

test('lanes are known with the header, and live audio comes out as it comes in', async () => {
  const sender = new Sender();
  sender.send(wavHeader(1, 16_000, 0));
  const { lanes } = await decoder(sender, AUTO, never);
  const iterator = lanes[0]?.[Symbol.asyncIterator]();
  assert.ok(iterator);
  for (let count = 0; count < 3; count++) {
    sender.send(bytesOf(ramp(100, 1)));
    await readSamples(iterator, 100);
  }
  sender.end();
  assert.equal((await iterator.next()).done, true);
});

test('unread lanes stop the pulling at about two seconds', async () => {
  const second = bytesOf(ramp(16_000, 2));
  const sender = new Sender();
  sender.send(wavHeader(2, 16_000, 0));
  for (let count = 0; count < 20; count++) sender.send(second);
  const { lanes } = await decoder(sender, AUTO, never);
  for (let turn = 0; turn < 50; turn++) await setImmediate();
  assert.ok(sender.pulls <= MAX_QUEUED_SAMPLES / 16_000 + 3, `${sender.pulls} pulls`);
  // One lane alone does not go on either: they are fed in step.
  const first = lanes[0]?.[Symbol.asyncIterator]();
  assert.ok(first);
  await readSamples(first, MAX_QUEUED_SAMPLES - 1600);
  const pulls = sender.pulls;
  for (let turn = 0; turn < 50; turn++) await setImmediate();
  assert.ok(sender.pulls <= pulls + 1);
  // A closed lane holds nobody up.
  lanes[1]?.close();
  await readSamples(first, 10 * 16_000);
  lanes[0]?.close();
});

test('a closed lane delivers what is queued and ends, though the sender is silent', async () => {
  const sender = new Sender();
  sender.send(wavOf(ramp(1000, 2), 2, 16_000).fill(0, 40, 44));
  const { lanes } = await decoder(sender, AUTO, never);
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  lanes[0]?.close();
  lanes[0]?.close();
  assert.equal((await collect(lanes[0] ?? assert.fail())).length, 1000);
  assert.equal(sender.returned, false);
  lanes[1]?.close();
  assert.equal(sender.returned, true);
});

test('leaving the iteration of every lane lets go of the sender', async () => {
  const sender = new Sender();
  sender.send(wavOf(ramp(1000, 1)).fill(0, 40, 44));
  const { lanes } = await decoder(sender, AUTO, never);
  for await (const item of lanes[0] ?? []) {
    assert.equal(item.startSample, 0);
    break;
  }
  assert.equal(sender.returned, true);
});

test('an abort ends a waiting decode and waiting lanes with its reason', async () => {
  const reason = new EarshotError('SERVER_STOPPING', 'stop');
  const before = new AbortController();
  const silent = new Sender();
  const waiting = decoder(silent, AUTO, before.signal);
  before.abort(reason);
  await assert.rejects(waiting, reason);
  assert.equal(silent.returned, true);
  await assert.rejects(decoder(new Sender(), AUTO, before.signal), reason);

  const during = new AbortController();
  const sender = new Sender();
  sender.send(wavOf(ramp(1000, 2), 2).fill(0, 40, 44));
  const decoded = await decoder(sender, AUTO, during.signal);
  const [read, unread] = decoded.lanes.map((lane) => lane[Symbol.asyncIterator]());
  assert.ok(read && unread);
  await readSamples(read, 1000);
  const waitingLane = assert.rejects(read.next(), reason);
  during.abort(reason);
  await waitingLane;
  // What was queued is not worth waiting for any more.
  await assert.rejects(unread.next(), reason);
  assert.equal(sender.returned, true);
});

test('what the sender throws comes after the audio before it', async () => {
  const fault = new EarshotError('BACKEND_TIMEOUT', 'the sender fell silent');
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* inChunks(wavOf(ramp(5000, 1)).fill(0, 40, 44));
    throw fault;
  }
  const { lanes } = await decoder(failing(), AUTO, never);
  let samples = 0;
  await assert.rejects(async () => {
    for await (const item of lanes[0] ?? []) samples += item.kind === 'pcm' ? item.samples.length : 0;
  }, fault);
  assert.equal(samples, 5000);
});

test('tags behind the samples are read to their end, endless ones are not', async () => {
  const file = wavOf(ramp(100, 1));
  const tagged = new Sender();
  tagged.send(file);
  tagged.send(Buffer.alloc(1000));
  tagged.end();
  await collectAll(await decoder(tagged, AUTO, never));
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  assert.deepEqual([tagged.returned, tagged.pulls], [false, 3]);

  const endless = new Sender();
  endless.send(file);
  for (let count = 0; count < 30; count++) endless.send(Buffer.alloc(100_000));
  await collectAll(await decoder(endless, AUTO, never));
  for (let turn = 0; turn < 50; turn++) await setImmediate();
  assert.deepEqual([endless.returned, endless.pulls], [true, 12]);
});

test('200 MB of WAV pass in little memory', async () => {
  const megabyte = Buffer.alloc(1024 * 1024);
  let worstBytes = 0;
  async function* generated(): AsyncGenerator<Uint8Array> {
    yield wavHeader(1, 16_000, 0xffff_ffff);
    for (let count = 0; count < 200; count++) {
      yield megabyte;
      worstBytes = Math.max(worstBytes, process.memoryUsage.rss());
    }
  }
  await decodeAllCounting(inChunks(Buffer.concat([wavHeader(1, 16_000, 0), Buffer.alloc(30_000_000)]), 1_000_000));
  const before = process.memoryUsage.rss();
  assert.deepEqual(await decodeAllCounting(generated()), [104_857_600]);
  assert.ok(worstBytes - before < 90e6, `rss grew by ${worstBytes - before} bytes`);
});

async function decodeAllCounting(bytes: AsyncIterable<Uint8Array>): Promise<number[]> {
  const { lanes } = await decoder(bytes, AUTO, never);
  return Promise.all(
    lanes.map(async (lane) => {
      let samples = 0;
      for await (const item of lane) samples += item.kind === 'pcm' ? item.samples.length : 0;
      return samples;
    }),
  );
}

test('random bytes, and random bytes behind a WAV header, fail only with our own codes', async () => {
  const wav = wavOf(ramp(30, 2), 2);
  const foreign = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((tail) => Buffer.concat([wav.subarray(0, 12), tail])),
    fc.tuple(fc.nat(wav.length - 1), fc.nat(255)).map(([at, value]) => {
      const mutated = Buffer.from(wav);
      mutated[at] = value;
      return mutated;
    }),
  );
  const format = fc.constantFrom<AudioFormat>(AUTO, { container: 'wav' }, { container: 'raw' }, { container: 'raw', encoding: 'f32', channels: 3 });
  await fc.assert(
    fc.asyncProperty(foreign, format, fc.integer({ min: 1, max: 50 }), async (bytes, declared, step) => {
      await decodeAll(inChunks(bytes, step), declared).catch((error: unknown) => {
        assert.ok(error instanceof EarshotError && error.code.startsWith('AUDIO_'), String(error));
      });
    }),
    { numRuns: 300 },
  );
});
