/** Files too large for a row: uploads, consent recordings, kept audio. Names are made by the store. */
export interface BlobStore {
  /** Resolves with the name once every byte is on the disk; nothing is left of a stream that breaks off or passes `maxBytes` (`AUDIO_TOO_LARGE`). */
  write(bytes: AsyncIterable<Uint8Array>, options: { readonly maxBytes: number; readonly signal?: AbortSignal }): Promise<{ readonly name: string; readonly bytes: number; readonly sha256: string }>;
  /** Throws `NOT_FOUND`. */
  read(name: string): AsyncIterable<Uint8Array>;
  /** Idempotent. */
  delete(name: string): Promise<void>;
  /** Names of all that were written before that moment, in no order. Default: of all. */
  names(options?: { readonly writtenBeforeMs: number }): AsyncIterable<string>;
}
