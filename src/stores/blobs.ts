import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EarshotError } from '../core/errors.ts';
import type { BlobStore } from '../core/store/blobs.ts';

const NAME = /^blb_[0-9a-f-]{36}$/;
/** What a file is called until its last byte is on the disk. */
const UNFINISHED = '.part';

/** Blobs as files of one folder. A file has its name only once it is whole; what a crash left unfinished is swept at the next start. */
export async function openFolderBlobs(folder: string): Promise<BlobStore> {
  await mkdir(folder, { recursive: true });
  for (const entry of await readdir(folder)) {
    if (entry.endsWith(UNFINISHED)) await rm(join(folder, entry), { force: true });
  }
  return {
    async write(bytes, { maxBytes, signal }) {
      const name = `blb_${randomUUID()}`;
      const unfinished = join(folder, name + UNFINISHED);
      const file = await open(unfinished, 'wx', 0o600);
      try {
        const written = await copy(bytes, file, maxBytes, signal).finally(() => file.close());
        await rename(unfinished, join(folder, name));
        await syncFolder(folder);
        return { name, ...written };
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
    },
    async *read(name) {
      if (!NAME.test(name)) throw notFound();
      try {
        yield* createReadStream(join(folder, name)) as AsyncIterable<Uint8Array>;
      } catch (error) {
        throw isAbsent(error) ? notFound() : error;
      }
    },
    async delete(name) {
      if (NAME.test(name)) await rm(join(folder, name), { force: true });
    },
    async *names({ writtenBeforeMs } = { writtenBeforeMs: Infinity }) {
      for (const entry of await readdir(folder)) {
        if (NAME.test(entry) && (writtenBeforeMs === Infinity || (await isOlder(join(folder, entry), writtenBeforeMs)))) yield entry;
      }
    },
  };
}

/** False for what has gone meanwhile. */
async function isOlder(file: string, thanMs: number): Promise<boolean> {
  try {
    return (await stat(file)).mtimeMs < thanMs;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

async function copy(bytes: AsyncIterable<Uint8Array>, file: FileHandle, maxBytes: number, signal?: AbortSignal): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let total = 0;
  for await (const chunk of bytes) {
    signal?.throwIfAborted();
    total += chunk.length;
    if (total > maxBytes) throw new EarshotError('AUDIO_TOO_LARGE', `This is longer than ${String(maxBytes)} bytes.`);
    hash.update(chunk);
    for (let offset = 0; offset < chunk.length; ) offset += (await file.write(chunk, offset)).bytesWritten;
  }
  signal?.throwIfAborted();
  await file.sync();
  return { bytes: total, sha256: hash.digest('hex') };
}

/** Makes a rename last through a loss of power. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

const notFound = (): EarshotError => new EarshotError('NOT_FOUND', 'There is no such file.');

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';
