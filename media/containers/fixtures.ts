import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { AudioDecoder, AudioFormat, AudioSource, DecodedAudio } from '../../src/core/audio.ts';
import { createAudioDecoder } from './index.ts';

/** Helpers of this folder's tests. */

export const AUTO: AudioFormat = { container: 'auto' };

/** A folder that is gone after `run`. */
export async function withTempDir<T>(run: (dir: string) => T | Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'earshot-test-'));
  try {
    return await run(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Runs ffmpeg with a file named `name` in `dir` as its output; answers the path. */
export function encode(dir: string, name: string, ...args: readonly string[]): string {
  const path = join(dir, name);
  execFileSync('ffmpeg', ['-hide_banner', '-nostdin', '-loglevel', 'error', '-y', ...args, path]);
  return path;
}

/** A WAV header with the sizes as given; 16 bits. */
export function wavHeader(channels: number, sampleRateHz: number, dataBytes: number): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF');
  header.writeUInt32LE(Math.min(0xffff_ffff, 36 + dataBytes), 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRateHz, 24);
  header.writeUInt32LE(sampleRateHz * channels * 2, 28);
  header.writeUInt16LE(channels * 2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(dataBytes, 40);
  return header;
}

export async function* inChunks(bytes: Uint8Array, chunkBytes: number = bytes.length): AsyncGenerator<Uint8Array, void, void> {
  for (let from = 0; from < bytes.length; from += chunkBytes) {
    // As from a socket: not all in one turn of the event loop.
    if (from % (64 * chunkBytes) === 0) await setImmediate();
    yield bytes.subarray(from, from + chunkBytes);
  }
}

/** Bytes that a test hands over one by one, and that are silent in between. */
export class Sender implements AsyncIterable<Uint8Array> {
  readonly #waiting: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #ended = false;
  #fault: Error | undefined;
  returned = false;
  pulls = 0;

  send(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  fail(error: Error): void {
    this.#fault = error;
    this.end();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        this.pulls += 1;
        while (this.#waiting.length === 0 && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
        const value = this.#waiting.shift();
        if (!value && this.#fault) throw this.#fault;
        return value ? { value } : { value: undefined, done: true };
      },
      return: async () => {
        this.returned = true;
        return { value: undefined, done: true };
      },
    };
  }
}

/** All samples of a source; asserts nothing but that positions are gapless. */
export async function collect(source: AudioSource): Promise<Int16Array> {
  const samples: Int16Array[] = [];
  let position = 0;
  for await (const item of source) {
    if (item.kind !== 'pcm' || item.startSample !== position) throw new Error(`expected a frame at ${position}, got ${item.kind} at ${item.startSample}`);
    samples.push(item.samples);
    position += item.samples.length;
  }
  const all = new Int16Array(position);
  let offset = 0;
  for (const part of samples) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

export const collectAll = (decoded: DecodedAudio): Promise<Int16Array[]> => Promise.all(decoded.lanes.map(collect));

export async function decodeAll(
  bytes: AsyncIterable<Uint8Array>,
  format: AudioFormat = AUTO,
  decoder: AudioDecoder = createAudioDecoder(),
): Promise<Int16Array[]> {
  return collectAll(await decoder(bytes, format, new AbortController().signal));
}

/** Reads frames until at least `samples` have come. */
export async function readSamples(iterator: AsyncIterator<{ readonly kind: string }>, samples: number): Promise<void> {
  for (let seen = 0; seen < samples; ) {
    const { value, done } = (await iterator.next()) as IteratorResult<{ samples: Int16Array }, undefined>;
    if (done) throw new Error(`the lane ended after ${seen} samples`);
    seen += value.samples.length;
  }
}

/** Pipes and children that this process has open. */
export function processResources(): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap' || name === 'PipeWrap').sort();
}

/** Resolves when this process has no more of them than `before`. */
export async function onlyResources(before: readonly string[]): Promise<void> {
  while (processResources().length > before.length) await setImmediate();
}
