/** Encrypts what must not lie readable in the store. One sealer has one purpose and one key. */
export interface Sealer {
  /** `context` says what and whose the bytes are; they open only under the same one, so that no row passes for another. */
  seal(bytes: Uint8Array, context: string): Uint8Array;
  /** Throws `STORE_UNAVAILABLE` for bytes that were sealed with another key or context, or damaged. */
  open(sealed: Uint8Array, context: string): Uint8Array;
}
