import { BoundedQueue } from '../../core/bounded-queue.ts';
import type { BlobStore } from '../../core/store/blobs.ts';

export interface Recording {
  /** Name in the blob store. */
  readonly blob: string;
  readonly bytes: number;
}

/** Bytes that may wait for the disk; with more the recording is given up, so that nobody's words wait for it. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Three hours of eight channels at 48 kHz and 16 bit. */
const MAX_RECORDING_BYTES = 9 * 1024 ** 3;

/** Keeps the audio of a session as it comes, in its own encoding and without a header. */
export class AudioRecorder {
  readonly #queue = new BoundedQueue<Uint8Array>({ maxWeight: MAX_WAITING_BYTES, weigh: (bytes) => bytes.length });
  readonly #blobs: BlobStore;
  #writing: Promise<Recording | undefined> | undefined;
  #failed = false;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  take(bytes: Uint8Array): void {
    if (this.#failed) return;
    this.#writing ??= this.#write();
    if (this.#queue.offer(bytes)) return;
    this.#failed = true;
    this.#queue.fail(new Error('the disk is slower than the audio'));
  }

  /** What was kept; undefined where there was nothing, or it could not be kept. */
  async end(): Promise<Recording | undefined> {
    this.#queue.end();
    return this.#writing;
  }

  async #write(): Promise<Recording | undefined> {
    try {
      const { name, bytes } = await this.#blobs.write(this.#queue, { maxBytes: MAX_RECORDING_BYTES });
      return { blob: name, bytes };
    } catch {
      this.#failed = true;
      this.#queue.discard();
      return undefined;
    }
  }
}
