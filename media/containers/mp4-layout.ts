/** How an MP4 can be decoded: as it arrives, or only when all of it is there. `undecided` wants more bytes. */
export type Mp4Decision = 'undecided' | 'stream' | 'spool';

/** Bytes after which the index is no longer waited for. */
const MAX_UNDECIDED_BYTES = 256 * 1024;

/**
 * Walks the top-level boxes of an MP4 or QuickTime file (ISO/IEC 14496-12, 4.2) up to the first that matters:
 * the index (`moov`) or a fragment (`moof`) before the samples (`mdat`) means that a pipe is enough;
 * samples first, or a box that cannot be, means that the file is needed whole.
 */
export class Mp4Layout {
  readonly #header = new Uint8Array(16);
  #headerBytes = 0;
  #skipBytes = 0;
  #seenBytes = 0;
  #decision: Mp4Decision = 'undecided';

  push(bytes: Uint8Array): Mp4Decision {
    this.#seenBytes += bytes.length;
    let offset = 0;
    while (this.#decision === 'undecided' && offset < bytes.length) {
      const skipped = Math.min(this.#skipBytes, bytes.length - offset);
      this.#skipBytes -= skipped;
      offset += skipped;
      if (offset === bytes.length) break;
      this.#header[this.#headerBytes++] = bytes[offset++]!;
      this.#judgeHeader();
    }
    if (this.#decision === 'undecided' && this.#seenBytes > MAX_UNDECIDED_BYTES) this.#decision = 'spool';
    return this.#decision;
  }

  #judgeHeader(): void {
    if (this.#headerBytes < 8) return;
    const view = new DataView(this.#header.buffer);
    const type = String.fromCharCode(...this.#header.subarray(4, 8));
    if (type === 'moov' || type === 'moof') this.#decision = 'stream';
    if (type === 'mdat') this.#decision = 'spool';
    if (this.#decision !== 'undecided') return;
    const size = view.getUint32(0);
    if (size === 1 && this.#headerBytes < 16) return;
    const boxBytes = size === 1 ? Number(view.getBigUint64(8)) : size;
    if (boxBytes < this.#headerBytes) {
      this.#decision = 'spool';
      return;
    }
    this.#skipBytes = boxBytes - this.#headerBytes;
    this.#headerBytes = 0;
  }
}
