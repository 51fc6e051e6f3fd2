import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { AudioDecoder, AudioSource } from '../../src/core/audio.ts';
import { EarshotError, type ErrorCode } from '../../src/core/errors.ts';
import { AUTO, collect, collectAll, decodeAll, encode, inChunks, onlyResources, processResources, readSamples, Sender, withTempDir } from './fixtures.ts';
import { createAudioDecoder } from './index.ts';

const decoder = createAudioDecoder();
const idle = processResources();
/** A test that waits for a process to go fails, instead of waiting for ever. */
const TIMED = { timeout: 30_000 };
const never = new AbortController().signal;
const isAudioError = (error: unknown): boolean => error instanceof EarshotError && error.code.startsWith('AUDIO_');
const code = (expected: ErrorCode) => (error: unknown): boolean => error instanceof EarshotError && error.code === expected;

const CONTAINERS: readonly (readonly [name: string, ...args: string[]])[] = [
  ['a.mp3', '-c:a', 'libmp3lame', '-b:a', '96k'],
  ['a.flac'],
  ['opus.ogg', '-c:a', 'libopus'],
  ['vorbis.ogg', '-c:a', 'libvorbis'],
  ['end-index.m4a', '-c:a', 'aac'],
  ['start-index.m4a', '-c:a', 'aac', '-movflags', '+faststart'],
  ['fragments.mp4', '-c:a', 'aac', '-movflags', '+frag_keyframe+empty_moov+default_base_moof', '-frag_duration', '200000'],
  ['opus.webm', '-c:a', 'libopus'],
];

/** Four seconds of speech at 16 kHz, and the same in every container, mono and (delayed on the second channel) stereo. */
let dir: string;
let speech: Int16Array;
/** Two minutes that compress badly. */
let noise: Buffer;
const files = new Map<string, Buffer>();
const file = (name: string): Buffer => files.get(name) ?? assert.fail(`no fixture ${name}`);

before(() => {
  dir = mkdtempSync(join(tmpdir(), 'earshot-test-'));
  const spoken = join(dir, 'spoken.wav');
  execFileSync('flite', ['-voice', 'slt', '-t', 'The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.', '-o', spoken]);
  const mono = encode(dir, 'mono.wav', '-i', spoken, '-t', '4', '-ar', '16000', '-ac', '1', '-bitexact');
  const stereo = encode(dir, 'stereo.wav', '-i', mono, '-af', 'pan=stereo|c0=c0|c1=c0,adelay=0|500', '-t', '4', '-bitexact');
  speech = samplesOf(readFileSync(mono).subarray(44));
  noise = readFileSync(encode(dir, 'noise.flac', '-f', 'lavfi', '-i', 'anoisesrc=d=120:r=16000:a=0.5'));
  for (const [name, ...args] of CONTAINERS) {
    files.set(name, readFileSync(encode(dir, name, '-i', mono, ...args)));
    files.set(`stereo-${name}`, readFileSync(encode(dir, `stereo-${name}`, '-i', stereo, ...args)));
  }
});

after(() => rmSync(dir, { recursive: true, force: true }));

function samplesOf(bytes: Uint8Array): Int16Array {
  return new Int16Array(Uint8Array.from(bytes).buffer);
}

/** Of `actual` moved by -`maxShift` to `maxShift` samples against `expected`: where they agree best, and how well (1 is equal). */
function bestMatch(actual: Int16Array, expected: Int16Array, maxShift: number): { readonly shift: number; readonly correlation: number } {
  let best = { shift: 0, correlation: -1 };
  for (let shift = -maxShift; shift <= maxShift; shift++) {
    let [cross, a, b] = [0, 0, 0];
    for (let n = 2000; n < expected.length - 2000; n++) {
      const x = actual[n + shift] ?? 0;
      const y = expected[n]!;
      cross += x * y;
      a += x * x;
      b += y * y;
    }
    const correlation = cross / Math.sqrt(a * b || 1);
    if (correlation > best.correlation) best = { shift, correlation };
  }
  return best;
}

for (const [name] of CONTAINERS) {
  describe(name, () => {
    // A fragmented file has no edit list for the 1024 samples (at 16 kHz) before its encoder's first.
    const latestShift = name === 'fragments.mp4' ? 1024 : 2;

    test('mono is one lane, the waveform is that of the source, in place and of its length', async () => {
      const lanes = await decodeAll(inChunks(file(name), 1000));
      assert.equal(lanes.length, 1);
      const samples = lanes[0]!;
      assert.ok(Math.abs(samples.length - speech.length) <= 2048 + latestShift, `${samples.length} samples of ${speech.length}`);
      const coarse = latestShift > 2 ? latestShift : 0;
      const { shift, correlation } = bestMatch(samples.subarray(coarse), speech, 3);
      assert.ok(correlation > 0.97, `${name}: correlation ${correlation} at ${shift}`);
    });

    test('stereo is two lanes, each its own', async () => {
      const lanes = await decodeAll(inChunks(file(`stereo-${name}`)));
      assert.equal(lanes.length, 2);
      assert.equal(lanes[0]?.length, lanes[1]?.length);
      // The second channel is the first, 500 ms later.
      const { correlation } = bestMatch((lanes[1] ?? speech).subarray(8000), (lanes[0] ?? speech).subarray(0, 40_000), 1);
      assert.ok(correlation > 0.9, `correlation ${correlation}`);
    });

    test('the samples do not depend on the chunks', async () => {
      assert.deepEqual(await decodeAll(inChunks(file(name), 37)), await decodeAll(inChunks(file(name))));
    });

    test('a truncated file gives what is there, or says what is wrong', async () => {
      const whole = file(name);
      for (const length of [5, 20, 60, 300, 1000, Math.floor(whole.length * 0.6)]) {
        const result = await decodeAll(inChunks(whole.subarray(0, length))).catch((error: unknown) => error as Error);
        if (length <= 20) assert.ok(code('AUDIO_TRUNCATED')(result), `${length} bytes: ${String(result)}`);
        else assert.ok(isAudioError(result) || (Array.isArray(result) && result.length === 1), `${length} bytes: ${String(result)}`);
        if (length > 1000 && name !== 'end-index.m4a') assert.ok(Array.isArray(result) && (result[0]?.length ?? 0) > 16_000, String(result));
      }
    });
  });
}

for (const name of ['opus.ogg', 'a.mp3', 'fragments.mp4', 'opus.webm']) {
  test(`${name}: audio comes out while it still flows in`, TIMED, async () => {
    const args = name === 'opus.ogg' ? ['-page_duration', '100000'] : name === 'opus.webm' ? ['-live', '1', '-cluster_time_limit', '100'] : [];
    const settings = CONTAINERS.find(([known]) => known === name)?.slice(1) ?? [];
    const bytes = readFileSync(encode(dir, `live-${name}`, '-i', join(dir, 'mono.wav'), ...settings, ...args));
    const sender = new Sender();
    sender.send(bytes.subarray(0, bytes.length / 2));
    const { lanes } = await decoder(sender, AUTO, never);
    const iterator = lanes[0]?.[Symbol.asyncIterator]() ?? assert.fail();
    // Two seconds were sent and nothing says that more will come: one and a half must be out.
    await readSamples(iterator, 24_000);
    sender.send(bytes.subarray(bytes.length / 2));
    sender.end();
    await readSamples(iterator, 30_000);
    await iterator.return?.();
    await onlyResources(idle);
  });
}

test('the decoder runs at the niceness that it was given, with all its threads', { ...TIMED, skip: process.platform !== 'linux' }, async () => {
  const sender = new Sender();
  sender.send(file('a.mp3').subarray(0, 20_000));
  const { lanes } = await createAudioDecoder({ niceness: 3 })(sender, AUTO, never);
  const iterator = lanes[0]?.[Symbol.asyncIterator]() ?? assert.fail();
  await readSamples(iterator, 1600);
  const children = readFileSync(`/proc/self/task/${String(process.pid)}/children`, 'utf8').trim().split(' ');
  assert.equal(children.length, 1);
  const threads = readdirSync(`/proc/${children[0] ?? ''}/task`).map(Number);
  assert.deepEqual(new Set(threads.map((thread) => getPriority(thread))), new Set([getPriority() + 3]));
  sender.end();
  await iterator.return?.();
  await onlyResources(idle);
});

test('an abort kills the decoder, before, during and after its start', TIMED, async () => {
  const reason = new EarshotError('SERVER_STOPPING', 'stop');
  for (const turns of [0, 1, 3, 10, 100, 1000]) {
    const abort = new AbortController();
    const sender = new Sender();
    sender.send(file('opus.webm').subarray(0, 8000));
    const ended = decoder(sender, AUTO, abort.signal).then(collectAll);
    const rejected = assert.rejects(ended, reason);
    for (let turn = 0; turn < turns; turn++) await setImmediate();
    abort.abort(reason);
    await rejected;
    await onlyResources(idle);
    assert.equal(sender.returned, true);
  }
});

test('a decoder that hangs, or is full, is killed by an abort', TIMED, async () => {
  const program = join(dir, 'hangs');
  writeFileSync(program, '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
  const abort = new AbortController();
  const hanging = decodeAllOf(createAudioDecoder({ ffmpegPath: program }), abort.signal);
  const full = await decoder(inChunks(noise), AUTO, abort.signal);
  for (let turn = 0; turn < 2000; turn++) await setImmediate();
  abort.abort(new EarshotError('SERVER_STOPPING', 'stop'));
  await assert.rejects(hanging, code('SERVER_STOPPING'));
  await assert.rejects(collectAll(full), code('SERVER_STOPPING'));
  await onlyResources(idle);
});

function decodeAllOf(which: AudioDecoder, signal: AbortSignal): Promise<Int16Array[]> {
  return which(inChunks(file('a.mp3')), AUTO, signal).then(collectAll);
}

test('whatever happens in whatever order, nothing is left and nothing goes unhandled', TIMED, async () => {
  const step = fc.constantFrom('send', 'end', 'throw', 'abort', 'close', 'turn', 'turns');
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('stereo-opus.ogg', 'stereo-end-index.m4a', 'wav'), fc.array(step, { maxLength: 8 }), async (name, steps) => {
      const bytes = name === 'wav' ? readFileSync(join(dir, 'stereo.wav')) : file(name);
      const abort = new AbortController();
      const sender = new Sender();
      sender.send(bytes.subarray(0, bytes.length / 2));
      let lanes: readonly AudioSource[] = [];
      const ended = decoder(sender, AUTO, abort.signal).then((decoded) => {
        lanes = decoded.lanes;
        return collectAll(decoded);
      });
      const settled = ended.then(() => undefined, (error: unknown) => error);
      for (const next of [...steps, 'end', 'close'] as const) {
        if (next === 'send') sender.send(bytes.subarray(bytes.length / 2));
        if (next === 'end') sender.end();
        if (next === 'throw') sender.fail(new Error('socket gone'));
        if (next === 'abort') abort.abort(new EarshotError('SERVER_STOPPING', 'stop'));
        if (next === 'close') lanes[0]?.close();
        for (let turn = next === 'turns' ? 300 : 1; turn > 0; turn--) await setImmediate();
      }
      const error = await settled;
      assert.ok(error === undefined || error instanceof EarshotError, String(error));
      await onlyResources(idle);
    }),
    { numRuns: 40 },
  );
});

test('when nobody reads any lane any more the decoder ends', TIMED, async () => {
  const sender = new Sender();
  sender.send(file('stereo-opus.ogg'));
  const { lanes } = await decoder(sender, AUTO, never);
  for (const lane of lanes) lane.close();
  await onlyResources(idle);
  assert.equal(sender.returned, true);
});

test('unread lanes stall the decoder and the sender', TIMED, async () => {
  const sender = new Sender();
  for (let from = 0; from < noise.length; from += 16_384) sender.send(noise.subarray(from, from + 16_384));
  sender.end();
  const { lanes } = await decoder(sender, AUTO, never);
  for (let before = -1; before !== sender.pulls; ) {
    before = sender.pulls;
    for (let turn = 0; turn < 2000; turn++) await setImmediate();
  }
  assert.ok(sender.pulls * 16_384 < noise.length / 2, `${sender.pulls} of ${Math.ceil(noise.length / 16_384)} chunks pulled`);
  assert.equal((await collect(lanes[0] ?? assert.fail())).length, 120 * 16_000);
});

test('what the sender throws comes after the audio before it', async () => {
  const fault = new EarshotError('BACKEND_TIMEOUT', 'the sender fell silent');
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* inChunks(file('a.mp3'));
    throw fault;
  }
  const { lanes } = await decoder(failing(), AUTO, never);
  let samples = 0;
  await assert.rejects(async () => {
    for await (const item of lanes[0] ?? []) samples += item.kind === 'pcm' ? item.samples.length : 0;
  }, fault);
  assert.ok(samples > 60_000);
});

test('time goes on over a corrupt part: what follows keeps its place', async () => {
  const broken = Buffer.from(noise);
  broken.fill(0, Math.round(broken.length * 0.4), Math.round(broken.length * 0.5));
  const [whole, damaged] = [await decodeAll(inChunks(noise), AUTO), await decodeAll(inChunks(broken), AUTO)];
  assert.equal(damaged[0]?.length, whole[0]?.length);
  assert.deepEqual(damaged[0]?.slice(-160_000), whole[0]?.slice(-160_000));
});

test('without ffmpeg the error says what to install', async () => {
  const without = createAudioDecoder({ ffmpegPath: join(dir, 'no-such-program') });
  for (const name of ['a.mp3', 'end-index.m4a']) {
    await assert.rejects(decodeAll(inChunks(file(name)), AUTO, without), (error: unknown) => {
      assert.ok(error instanceof EarshotError && error.code === 'BACKEND_UNAVAILABLE');
      assert.match(error.message, /ffmpeg.*install/);
      assert.ok(!error.message.includes(dir));
      return true;
    });
  }
});

test('a decoder that dies is a fault of ours', async () => {
  const program = join(dir, 'dies');
  writeFileSync(program, '#!/bin/sh\nkill -9 $$\n', { mode: 0o755 });
  await assert.rejects(decodeAll(inChunks(file('a.mp3')), AUTO, createAudioDecoder({ ffmpegPath: program })), code('INTERNAL'));
});

test('an MP4 with its index at the end is kept in a file without a name, up to its limit', async () => {
  await withTempDir(async (tempDir) => {
    const bytes = file('end-index.m4a');
    const exact = createAudioDecoder({ tempDir, maxSpoolBytes: bytes.length });
    assert.ok((await decodeAll(inChunks(bytes, 500), AUTO, exact))[0]?.length);
    const less = createAudioDecoder({ tempDir, maxSpoolBytes: bytes.length - 1 });
    await assert.rejects(decodeAll(inChunks(bytes, 500), AUTO, less), code('AUDIO_TOO_LARGE'));
    const abort = new AbortController();
    const sender = new Sender();
    sender.send(bytes.subarray(0, bytes.length / 2));
    const waiting = exact(sender, AUTO, abort.signal);
    while (sender.pulls < 2) await setImmediate();
    abort.abort(new EarshotError('SERVER_STOPPING', 'stop'));
    await assert.rejects(waiting, code('SERVER_STOPPING'));
    assert.deepEqual(readdirSync(tempDir), []);
  });
});

test('a film without sound has no audio, one with sound gives it', async () => {
  const picture = ['-f', 'lavfi', '-i', 'testsrc=d=1:s=64x64', '-c:v', 'mpeg4', '-movflags', '+faststart'];
  await assert.rejects(decodeAll(inChunks(readFileSync(encode(dir, 'silent.mp4', ...picture)))), code('AUDIO_EMPTY'));
  const film = encode(dir, 'film.mp4', '-i', join(dir, 'mono.wav'), ...picture, '-c:a', 'aac', '-shortest');
  const lanes = await decodeAll(inChunks(readFileSync(film)));
  assert.ok((lanes[0]?.length ?? 0) > 15_000);
});

test('garbage behind a good beginning fails with our own codes and leaves nothing behind', TIMED, async () => {
  const mutation = fc.tuple(fc.nat(2000), fc.nat(255));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...CONTAINERS.map(([name]) => name)), fc.array(mutation, { minLength: 1, maxLength: 20 }), async (name, mutations) => {
      const bytes = Buffer.from(file(name));
      for (const [at, value] of mutations) bytes[at] = value;
      await decodeAll(inChunks(bytes)).catch((error: unknown) => assert.ok(isAudioError(error), String(error)));
    }),
    { numRuns: 25 },
  );
  for (const head of ['ID3\x04', 'fLaC', 'OggS', '\x1aE\xdf\xa3', '\0\0\0\x1cftyp']) {
    const bytes = Buffer.concat([Buffer.from(head, 'latin1'), Buffer.alloc(3000, 'garbage')]);
    await assert.rejects(decodeAll(inChunks(bytes)), isAudioError, head);
  }
  await onlyResources(idle);
});
