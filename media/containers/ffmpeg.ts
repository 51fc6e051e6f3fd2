import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';
import { EarshotError } from '../../src/core/errors.ts';
import { lowerPriority } from '../../src/processes/priority.ts';
import type { ByteReader } from './byte-reader.ts';
import type { Container } from './detect.ts';

/** Named, never guessed: a playlist or a list of files to join is no container here, so no other file can be opened. */
const DEMUXERS: Readonly<Record<Exclude<Container, 'wav'>, string>> = {
  mp3: 'mp3',
  flac: 'flac',
  ogg: 'ogg',
  mp4: 'mov',
  webm: 'matroska',
};
const DECODERS = 'aac,alac,flac,mp2,mp2float,mp3,mp3float,opus,libopus,vorbis,libvorbis,pcm_s16le,pcm_s16be,pcm_f32le';
/** Largest single allocation: an index may claim billions of entries. */
const MAX_ALLOCATION_BYTES = 256 * 1024 * 1024;
const MAX_STDERR_CHARACTERS = 4096;
/** No container holds audio in fewer bytes. */
const SMALLEST_FILE_BYTES = 64;

type FfmpegChild = ChildProcessByStdio<Writable | null, Readable, Readable>;

export interface FfmpegOptions {
  readonly ffmpegPath: string;
  readonly container: Exclude<Container, 'wav'>;
  /** Bytes piped in as they come, or the descriptor of a whole file. */
  readonly input: ByteReader | { readonly fileDescriptor: number };
  /** Scheduling niceness, added to that of this process. */
  readonly niceness: number;
  /** Kills the process. */
  readonly stop: AbortSignal;
}

/**
 * One ffmpeg process that turns a container into a WAV stream of 16 kHz and the source's channels.
 * Backpressure both ways: bytes are pulled only while the process takes them, and it stalls while `next` is not called.
 */
export class Ffmpeg {
  readonly #child: FfmpegChild;
  readonly #stdout: AsyncIterator<Uint8Array>;
  readonly #closed: Promise<unknown>;
  readonly #stop: AbortSignal;
  readonly #input: FfmpegOptions['input'];
  /** Settles when no more bytes are pulled. Never rejects. */
  readonly inputDone: Promise<void>;
  #inputError: unknown;
  #stderr = '';

  /** Rejects with `BACKEND_UNAVAILABLE` if ffmpeg cannot be started. */
  static async start(options: FfmpegOptions): Promise<Ffmpeg> {
    options.stop.throwIfAborted();
    const file = 'fileDescriptor' in options.input ? options.input.fileDescriptor : undefined;
    try {
      const child = spawn(options.ffmpegPath, ffmpegArguments(options.container, file !== undefined), {
        stdio: file === undefined ? ['pipe', 'pipe', 'pipe'] : ['ignore', 'pipe', 'pipe', file],
        // Nothing of the server's environment, which may hold keys, is the decoder's business.
        env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      }) as FfmpegChild;
      // Before it has started a thread of its own.
      if (child.pid !== undefined && options.niceness > 0) lowerPriority(child.pid, options.niceness);
      await once(child, 'spawn');
      return new Ffmpeg(child, options);
    } catch (cause) {
      throw new EarshotError('BACKEND_UNAVAILABLE', 'ffmpeg cannot be started; install it (apt-get install ffmpeg) to take this container.', { cause });
    }
  }

  private constructor(child: FfmpegChild, options: FfmpegOptions) {
    this.#child = child;
    this.#stop = options.stop;
    this.#input = options.input;
    this.#stdout = child.stdout.iterator()[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    this.#closed = new Promise((resolve) => child.once('close', resolve));
    child.on('error', () => undefined);
    child.stdin?.on('error', () => undefined);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_CHARACTERS);
    });
    const kill = (): void => {
      child.kill('SIGKILL');
      // What nobody will read would keep the pipes open.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    if (options.stop.aborted) kill();
    options.stop.addEventListener('abort', kill, { once: true });
    this.inputDone = this.#feed();
  }

  /** The next part of the WAV stream; `undefined` at its end. Rejects with what the sender of the bytes threw. */
  async next(): Promise<Uint8Array | undefined> {
    const result = await this.#stdout.next();
    if (!result.done) return result.value;
    await this.#closed;
    if (this.#stop.aborted) return undefined;
    if (this.#inputError !== undefined) throw this.#inputError;
    if (this.#child.signalCode !== null) {
      throw new EarshotError('INTERNAL', 'The audio decoder died.', { cause: new Error(`ffmpeg ended by ${this.#child.signalCode}: ${this.#stderr}`) });
    }
    return undefined;
  }

  /** After the end: why there was not one sample. */
  nothingDecoded(): EarshotError {
    const cause = new Error(`ffmpeg ended with ${this.#child.exitCode}: ${this.#stderr}`);
    const isTiny = 'bytesRead' in this.#input && this.#input.bytesRead < SMALLEST_FILE_BYTES;
    if (isTiny || /End of file|Input\/output error|prematurely|partial file|Could not seek|moov atom not found/.test(this.#stderr)) {
      return new EarshotError('AUDIO_TRUNCATED', 'The file ends before its first sample.', { cause });
    }
    if (this.#child.exitCode === 0 || this.#stderr.includes('matches no streams')) {
      return new EarshotError('AUDIO_EMPTY', 'There is no audio in the file.', { cause });
    }
    return new EarshotError('AUDIO_MALFORMED', 'The file cannot be decoded.', { cause });
  }

  async #feed(): Promise<void> {
    const { stdin } = this.#child;
    if (!stdin || !('next' in this.#input)) return;
    try {
      for (let chunk = await this.#input.next(); chunk && stdin.writable; chunk = await this.#input.next()) {
        if (!stdin.write(chunk)) await drainedOrClosed(stdin);
      }
    } catch (error) {
      // What came before the fault is still decoded.
      this.#inputError = error;
    }
    stdin.end();
  }
}

function drainedOrClosed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) return resolve();
    const settle = (): void => {
      stream.off('drain', settle).off('close', settle);
      resolve();
    };
    stream.on('drain', settle).on('close', settle);
  });
}

function ffmpegArguments(container: FfmpegOptions['container'], fromFile: boolean): string[] {
  return [
    ...['-hide_banner', '-nostdin', '-loglevel', 'error', '-max_alloc', String(MAX_ALLOCATION_BYTES)],
    // The smallest probe: the demuxer is known and a live stream must not wait. What was probed is kept and decoded.
    ...['-probesize', '32', '-analyzeduration', '0', '-threads', '1', '-codec_whitelist', DECODERS],
    ...['-protocol_whitelist', fromFile ? 'file' : 'pipe', '-f', DEMUXERS[container]],
    ...['-i', fromFile ? 'file:/dev/fd/3' : 'pipe:0'],
    ...['-map', '0:a:0', '-vn', '-sn', '-dn', '-map_metadata', '-1'],
    // Where frames are missing or corrupt, time goes on: silence by their timestamps.
    ...['-af', 'aresample=async=1', '-ar', String(SAMPLE_RATE_HZ), '-c:a', 'pcm_s16le'],
    ...['-fflags', '+bitexact', '-flush_packets', '1', '-f', 'wav', 'pipe:1'],
  ];
}
