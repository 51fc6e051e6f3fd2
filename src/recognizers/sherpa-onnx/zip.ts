import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createInflateRaw } from 'node:zlib';
import { EarshotError } from '../../core/errors.ts';
import type { ArchiveEntry } from './archive.ts';

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
/** End record with the longest comment. */
const MAX_END_BYTES = 22 + 65_535;
const MAX_DIRECTORY_BYTES = 16 * 2 ** 20;
const STORED = 0;
const DEFLATED = 8;
const UNIX_TYPE_MASK = 0o170_000;
const UNIX_LINK = 0o120_000;

/** Files of a ZIP archive (PKWARE APPNOTE 4.3; not encrypted, not ZIP64), in the order of its directory. */
export async function* readZip(path: string): AsyncGenerator<ArchiveEntry, void, void> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const tail = await read(file, Math.max(0, size - MAX_END_BYTES), Math.min(size, MAX_END_BYTES));
    const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
    if (end < 0 || tail.length - end < 22 || tail.readUInt32LE(end) !== END_SIGNATURE) throw corrupt();
    const [length, start] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
    if (length > MAX_DIRECTORY_BYTES || start + length > size) throw corrupt();
    const directory = await read(file, start, length);
    for (let offset = 0; offset + 46 <= directory.length; ) {
      const { entry, next } = await entryAt(file, path, directory, offset);
      offset = next;
      if (entry) yield entry;
    }
  } finally {
    await file.close();
  }
}

async function entryAt(file: FileHandle, path: string, directory: Buffer, offset: number): Promise<{ readonly entry: ArchiveEntry | undefined; readonly next: number }> {
  if (directory.readUInt32LE(offset) !== ENTRY_SIGNATURE) throw corrupt();
  const [flags, method] = [directory.readUInt16LE(offset + 8), directory.readUInt16LE(offset + 10)];
  const [packedBytes, sizeBytes] = [directory.readUInt32LE(offset + 20), directory.readUInt32LE(offset + 24)];
  const nameLength = directory.readUInt16LE(offset + 28);
  const next = offset + 46 + nameLength + directory.readUInt16LE(offset + 30) + directory.readUInt16LE(offset + 32);
  const name = directory.toString('utf8', offset + 46, offset + 46 + nameLength);
  const unixMode = directory.readUInt32LE(offset + 38) >>> 16;
  if (name.endsWith('/') || (unixMode & UNIX_TYPE_MASK) === UNIX_LINK) return { entry: undefined, next };
  if ((flags & 1) !== 0 || (method !== STORED && method !== DEFLATED)) throw corrupt();
  const local = directory.readUInt32LE(offset + 42);
  const header = await read(file, local, 30);
  if (header.readUInt32LE(0) !== LOCAL_SIGNATURE) throw corrupt();
  const start = local + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  const content = (): AsyncIterable<Uint8Array> => contentOf(path, start, packedBytes, sizeBytes, method);
  return { entry: { path: name, sizeBytes, content }, next };
}

async function* contentOf(path: string, start: number, packedBytes: number, sizeBytes: number, method: number): AsyncGenerator<Uint8Array, void, void> {
  if (packedBytes === 0) {
    if (sizeBytes > 0) throw corrupt();
    return;
  }
  const packed = createReadStream(path, { start, end: start + packedBytes - 1 });
  const unpacked = method === STORED ? packed : packed.pipe(createInflateRaw());
  packed.on('error', (error) => unpacked.destroy(error));
  let bytes = 0;
  try {
    for await (const chunk of unpacked as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > sizeBytes) throw corrupt();
      yield chunk;
    }
  } catch (error) {
    throw error instanceof EarshotError ? error : corrupt(error);
  } finally {
    packed.destroy();
  }
  if (bytes !== sizeBytes) throw corrupt();
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead < length) throw corrupt();
  return buffer;
}

const corrupt = (cause?: unknown): EarshotError => new EarshotError('VALIDATION_ERROR', 'The archive cannot be unpacked: it is corrupt or breaks off.', { cause });
