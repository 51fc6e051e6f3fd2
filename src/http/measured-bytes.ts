import { createHash } from 'node:crypto';
import { EarshotError } from '../core/errors.ts';

/** Bytes on their way through: counted, hashed, and not more than allowed. */
export class MeasuredBytes implements AsyncIterable<Uint8Array> {
  count = 0;
  readonly #bytes: AsyncIterable<Uint8Array>;
  readonly #maxBytes: number;
  readonly #onBytes: (count: number) => void;
  readonly #hash = createHash('sha256');

  constructor(bytes: AsyncIterable<Uint8Array>, maxBytes: number, onBytes: (count: number) => void = () => undefined) {
    this.#bytes = bytes;
    this.#maxBytes = maxBytes;
    this.#onBytes = onBytes;
  }

  /** Of what has passed until now, in hexadecimal. */
  get sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of this.#bytes) {
      this.count += chunk.length;
      if (this.count > this.#maxBytes) throw fileTooLarge(this.#maxBytes);
      this.#hash.update(chunk);
      this.#onBytes(chunk.length);
      yield chunk;
    }
  }
}

export const fileTooLarge = (maxBytes: number): EarshotError => new EarshotError('AUDIO_TOO_LARGE', `The file has more than ${String(maxBytes)} bytes.`);
