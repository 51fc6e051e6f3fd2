import { createHash, randomUUID } from 'node:crypto';
import { EarshotError } from '../../core/errors.ts';
import type { BlobStore } from '../../core/store/blobs.ts';

/** Blobs as long as the test lasts. */
export class MemoryBlobs implements BlobStore {
  readonly blobs = new Map<string, Uint8Array>();

  async write(bytes: AsyncIterable<Uint8Array>): ReturnType<BlobStore['write']> {
    const parts: Uint8Array[] = [];
    for await (const part of bytes) parts.push(part);
    const whole = Buffer.concat(parts);
    const name = randomUUID();
    this.blobs.set(name, whole);
    return { name, bytes: whole.length, sha256: createHash('sha256').update(whole).digest('hex') };
  }

  async *read(name: string): AsyncGenerator<Uint8Array> {
    const blob = this.blobs.get(name);
    if (!blob) throw new EarshotError('NOT_FOUND', 'No such blob.');
    yield blob;
  }

  delete(name: string): Promise<void> {
    this.blobs.delete(name);
    return Promise.resolve();
  }

  async *names(): AsyncGenerator<string> {
    yield* this.blobs.keys();
  }
}
