import { randomUUID } from 'node:crypto';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { EarshotError } from '../../src/core/errors.ts';
import type { ByteReader } from './byte-reader.ts';

/**
 * The rest of the bytes in a temporary file that has no name any more: it is gone when its last user closes it, however the
 * process ends. The caller closes the handle, whose descriptor others may open again as `/dev/fd/N`.
 * Throws `AUDIO_TOO_LARGE` beyond `maxBytes`.
 */
export async function spool(input: ByteReader, tempDir: string, maxBytes: number): Promise<FileHandle> {
  const path = join(tempDir, `earshot-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    let writtenBytes = 0;
    for (let chunk = await input.next(); chunk; chunk = await input.next()) {
      if (writtenBytes + chunk.length > maxBytes) {
        throw new EarshotError('AUDIO_TOO_LARGE', `An MP4 file with its index at the end may have at most ${maxBytes} bytes.`);
      }
      await writeAll(file, chunk, writtenBytes);
      writtenBytes += chunk.length;
    }
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Writes at a position, so that the descriptor's own offset stays at the beginning for who opens it next. */
async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, offset, chunk.length - offset, position + offset);
    offset += bytesWritten;
  }
}
