import { EarshotError } from '../../core/errors.ts';
import type { ArchiveEntry } from './archive.ts';

const BLOCK = 512;
/** Names that are longer than their field come ahead of their entry as a file of their own. */
const MAX_LONG_NAME_BYTES = 64 * 1024;

/** Files of a tar archive (POSIX.1-1988 ustar with pax and GNU long names), in order. Everything that is not a file is left out. */
export async function* readTar(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ArchiveEntry, void, void> {
  const source = new ByteSource(bytes);
  let longName: string | undefined;
  for (;;) {
    const header = await source.take(BLOCK);
    if (header.every((byte) => byte === 0)) return;
    checkSum(header);
    const sizeBytes = numberAt(header, 124, 12);
    const type = String.fromCharCode(header[156] ?? 0);
    const padding = (BLOCK - (sizeBytes % BLOCK)) % BLOCK;
    if (type === 'L' || type === 'x') {
      if (sizeBytes > MAX_LONG_NAME_BYTES) throw corrupt();
      const content = await source.take(sizeBytes);
      longName = type === 'L' ? textOf(content) : (paxPath(content) ?? longName);
      await source.skip(padding);
      continue;
    }
    const path = longName ?? nameOf(header);
    longName = undefined;
    let left = sizeBytes;
    const content = async function* (): AsyncGenerator<Uint8Array, void, void> {
      while (left > 0) {
        const chunk = await source.some(left);
        left -= chunk.length;
        yield chunk;
      }
    };
    if (type === '0' || type === '\0') yield { path, sizeBytes, content };
    await source.skip(left + padding);
  }
}

function nameOf(header: Buffer): string {
  const name = textOf(header.subarray(0, 100));
  const prefix = header.subarray(257, 262).toString('latin1') === 'ustar' ? textOf(header.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** Octal, or, with the highest bit set, binary. */
function numberAt(header: Buffer, offset: number, length: number): number {
  const field = header.subarray(offset, offset + length);
  const value = ((field[0] ?? 0) & 0x80) === 0 ? Number.parseInt(textOf(field).trim() || '0', 8) : field.subarray(-6).readUIntBE(0, 6);
  if (!Number.isSafeInteger(value) || value < 0) throw corrupt();
  return value;
}

function checkSum(header: Buffer): void {
  const stated = Number.parseInt(textOf(header.subarray(148, 156)).trim(), 8);
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  if (sum !== stated) throw corrupt();
}

/** Records `LENGTH KEY=VALUE\n`. */
function paxPath(content: Buffer): string | undefined {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(content.toString('utf8'))?.[1];
}

function textOf(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? field.length : end);
}

/** Bytes by the piece. What breaks off is corrupt. */
class ByteSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#iterator = bytes[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `max`. */
  async some(max: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const next = await this.#iterator.next();
      if (next.done === true) throw corrupt();
      this.#rest = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
    }
    const taken = this.#rest.subarray(0, max);
    this.#rest = this.#rest.subarray(taken.length);
    return taken;
  }

  async take(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; ) {
      const part = await this.some(left);
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) left -= (await this.some(left)).length;
  }
}

const corrupt = (): EarshotError => new EarshotError('VALIDATION_ERROR', 'The archive cannot be unpacked: it is corrupt or breaks off.');
