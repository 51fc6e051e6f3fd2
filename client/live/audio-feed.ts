import type { Capture } from './capture.ts';

/** The bytes of one stream, by their position in it: those that are there already and not yet acknowledged. */
export interface AudioFeed {
  /** What there is from this position on, or some of it; undefined while there is none. Throws a RangeError if it is no longer held. */
  bytesAt(position: number): Uint8Array<ArrayBuffer> | undefined;
  /** Behind the last byte that is there. */
  readonly endPosition: number;
  /** What is before need not be held. */
  forget(position: number): void;
  /** Called whenever there is more; the returned function ends that. */
  onMore(listener: () => void): () => void;
}

const BYTES_PER_SAMPLE = 2;

/** A capture from one of its samples on, as raw PCM. The ring forgets by itself. */
export class CaptureFeed implements AudioFeed {
  readonly #capture: Capture;
  readonly startSample: number;

  constructor(capture: Capture, startSample: number) {
    this.#capture = capture;
    this.startSample = Math.min(Math.max(startSample, capture.ring.startSample), capture.ring.endSample);
  }

  get endPosition(): number {
    return (this.#capture.ring.endSample - this.startSample) * BYTES_PER_SAMPLE;
  }

  bytesAt(position: number): Uint8Array<ArrayBuffer> | undefined {
    const odd = position % BYTES_PER_SAMPLE;
    const chunk = this.#capture.ring.chunkAt(this.startSample + (position - odd) / BYTES_PER_SAMPLE);
    return chunk && new Uint8Array(chunk.buffer, chunk.byteOffset + odd, chunk.byteLength - odd);
  }

  forget(): void {
    // The ring holds the last half minute, whatever was acknowledged: another transport may need it.
  }

  onMore(listener: () => void): () => void {
    return this.#capture.onChunk(listener);
  }
}

/** Bytes that somebody hands over, held until the server has them. */
export class PushedFeed implements AudioFeed {
  readonly #maxHeldBytes: number;
  readonly #listeners = new Set<() => void>();
  #parts: Uint8Array<ArrayBuffer>[] = [];
  #start = 0;
  #end = 0;
  #wake: () => void = () => undefined;

  /** Above `maxHeldBytes` who pushes is asked to wait. */
  constructor(maxHeldBytes: number) {
    this.#maxHeldBytes = maxHeldBytes;
  }

  get endPosition(): number {
    return this.#end;
  }

  /** Takes the bytes at once; resolves when there is room for more. */
  async push(bytes: Uint8Array): Promise<void> {
    this.#parts.push(Uint8Array.from(bytes));
    this.#end += bytes.length;
    for (const listener of this.#listeners) listener();
    while (this.#end - this.#start > this.#maxHeldBytes) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  bytesAt(position: number): Uint8Array<ArrayBuffer> | undefined {
    if (position < this.#start) throw new RangeError('this audio is no longer held');
    let start = this.#start;
    for (const part of this.#parts) {
      if (position < start + part.length) return part.subarray(position - start);
      start += part.length;
    }
    return undefined;
  }

  forget(position: number): void {
    for (let oldest = this.#parts[0]; oldest && this.#start + oldest.length <= position; oldest = this.#parts[0]) {
      this.#parts.shift();
      this.#start += oldest.length;
    }
    this.#wake();
  }

  /** Nobody waits for room any more. */
  release(): void {
    this.#start = this.#end;
    this.#parts = [];
    this.#wake();
  }

  onMore(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
