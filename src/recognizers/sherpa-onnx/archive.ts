import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { EarshotError } from '../../core/errors.ts';
import { readTar } from './tar.ts';
import { readZip } from './zip.ts';

/** A file in an archive. Its content is to be read before the next entry is asked for. */
export interface ArchiveEntry {
  /** As the archive has it; not to be trusted. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly content: () => AsyncIterable<Uint8Array>;
}

export interface UnpackLimits {
  /** Default 16 GiB. */
  readonly maxBytes?: number;
  /** Default 2000. */
  readonly maxFiles?: number;
}

const MAX_BYTES = 16 * 2 ** 30;
const MAX_FILES = 2000;
const MAX_PATH_CHARS = 512;

/**
 * Unpacks a .tar.bz2, .tar.gz, .tar or .zip (told by its first bytes) into `folder`. Links and devices are left out. Throws
 * `VALIDATION_ERROR` for what is no archive or breaks off, for paths that lead out of the folder, and over the limits.
 */
export async function unpack(archivePath: string, folder: string, limits: UnpackLimits = {}): Promise<void> {
  const { maxBytes = MAX_BYTES, maxFiles = MAX_FILES } = limits;
  let bytes = 0;
  let files = 0;
  for await (const entry of await entriesOf(archivePath)) {
    files += 1;
    if (files > maxFiles) throw invalid(`it holds more than ${String(maxFiles)} files`);
    const path = join(folder, safePath(entry.path));
    await mkdir(dirname(path), { recursive: true });
    const counted = async function* (): AsyncGenerator<Uint8Array, void, void> {
      for await (const chunk of entry.content()) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw invalid(`it unpacks to more than ${String(maxBytes)} bytes`);
        yield chunk;
      }
    };
    await pipeline(Readable.from(counted()), createWriteStream(path, { flags: 'wx' })).catch((error: unknown) => {
      throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? invalid(`it holds "${entry.path}" twice`) : error;
    });
  }
  if (files === 0) throw invalid('it holds no files');
}

async function entriesOf(archivePath: string): Promise<AsyncIterable<ArchiveEntry>> {
  const head = await firstBytes(archivePath);
  if (head.subarray(0, 3).toString('latin1') === 'BZh') return readTar(bunzip(archivePath));
  if (head[0] === 0x1f && head[1] === 0x8b) return readTar(gunzip(archivePath));
  if (head.subarray(0, 2).toString('latin1') === 'PK') return readZip(archivePath);
  if (head.subarray(257, 262).toString('latin1') === 'ustar') return readTar(createReadStream(archivePath));
  throw invalid('it is none of .tar.bz2, .tar.gz, .tar and .zip');
}

async function firstBytes(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(262), 0, 262, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function* gunzip(path: string): AsyncGenerator<Uint8Array, void, void> {
  const unzipped = createGunzip();
  const done = pipeline(createReadStream(path), unzipped).catch(() => undefined);
  try {
    for await (const chunk of unzipped) yield chunk as Uint8Array;
  } catch (cause) {
    throw invalid('it is corrupt or breaks off', cause);
  }
  await done;
}

/** By the program of that name: there is no maintained package for it, and Debian has it. */
async function* bunzip(path: string): AsyncGenerator<Uint8Array, void, void> {
  const program = spawn('bzip2', ['-dc', '--', path], { stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = new Promise<number | null>((resolve, reject) => {
    program.once('error', reject);
    program.once('close', resolve);
  });
  exited.catch(() => undefined);
  try {
    for await (const chunk of program.stdout) yield chunk as Uint8Array;
    if ((await exited) !== 0) throw invalid('it is corrupt or breaks off');
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? invalid('bzip2 is not installed (apt-get install -y bzip2)') : error;
  } finally {
    program.kill('SIGKILL');
  }
}

/** A path inside the folder. Throws for every other. */
function safePath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  const isSafe = parts.length > 0 && !path.startsWith('/') && path.length <= MAX_PATH_CHARS && parts.every((part) => part !== '..' && !/[\\\0]/.test(part));
  if (!isSafe) throw invalid(`it holds a path that is not allowed: ${JSON.stringify(path.slice(0, 100))}`);
  return parts.join('/');
}

function invalid(what: string, cause?: unknown): EarshotError {
  return new EarshotError('VALIDATION_ERROR', `The archive cannot be unpacked: ${what}.`, { cause });
}
