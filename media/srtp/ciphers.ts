import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Cipheriv, KeyObject } from 'node:crypto';
import { bindFastGcm } from './fast-gcm.ts';
import type { OpenGcm } from './fast-gcm.ts';

const BLOCK_BYTES = 16;
/** Longer packets do not fit into a datagram of a usual network, and get a schedule of their own. */
const USUAL_BLOCKS = 128;
const TAG_BYTES = 16;

const swapped = (word: number): number =>
  (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);

const bigEndian = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);

/**
 * AES in counter mode as SRTP has it (RFC 3711, section 4.1.1). One cipher lives as long as its key and is given the counters
 * to encrypt: a new cipher per packet costs more than the encryption.
 */
export class CounterMode {
  readonly #cipher: Cipheriv;
  readonly #salt: readonly [number, number, number, number];
  #counters = new Int32Array((USUAL_BLOCKS * BLOCK_BYTES) / 4);
  #bytes = new Uint8Array(this.#counters.buffer);

  /** `salt` has 14 bytes. */
  constructor(key: KeyObject, salt: Uint8Array) {
    this.#cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
    this.#salt = [bigEndian(salt, 0), bigEndian(salt, 4), bigEndian(salt, 8), bigEndian(salt, 12)];
  }

  /** Encrypts or decrypts `data` from `start` to `end` in place. `high` and `low` are the upper 16 and lower 32 bits of the index. */
  apply(data: Uint8Array, start: number, end: number, ssrc: number, high: number, low: number): void {
    const lengthBytes = end - start;
    if (lengthBytes <= 0) return;
    const blocks = Math.ceil(lengthBytes / BLOCK_BYTES);
    if (blocks * BLOCK_BYTES > this.#bytes.length) this.#grow(blocks);
    const [salt0, salt1, salt2, salt3] = this.#salt;
    const word0 = swapped(salt0);
    const word1 = swapped(salt1 ^ ssrc);
    // The index stands 16 bits above the block counter.
    const word2 = swapped(salt2 ^ ((high << 16) | (low >>> 16)));
    const word3 = salt3 ^ (low << 16);
    const counters = this.#counters;
    for (let i = 0, at = 0; i < blocks; i += 1, at += 4) {
      counters[at] = word0;
      counters[at + 1] = word1;
      counters[at + 2] = word2;
      counters[at + 3] = swapped(word3 + i);
    }
    const keyStream = this.#cipher.update(this.#bytes.subarray(0, blocks * BLOCK_BYTES));
    for (let i = 0; i < lengthBytes; i += 1) data[start + i] = (data[start + i] ?? 0) ^ (keyStream[i] ?? 0);
  }

  #grow(blocks: number): void {
    this.#counters = new Int32Array(blocks * (BLOCK_BYTES / 4));
    this.#bytes = new Uint8Array(this.#counters.buffer);
  }
}

/** One for all keys; `null` where there is none. */
let fastOpen: OpenGcm | null | undefined;

/** AES-GCM with tags of 128 bits, as SRTP has it (RFC 7714). */
export class Gcm {
  readonly #key: KeyObject;
  readonly #keyBytes: Buffer;
  readonly #salt: Uint8Array;
  readonly #vector = Buffer.alloc(12);

  /** `salt` has 12 bytes. */
  constructor(key: KeyObject, salt: Uint8Array) {
    this.#key = key;
    this.#keyBytes = key.export();
    this.#salt = salt;
  }

  /** The text; undefined if it or what is associated with it is not authentic. */
  open(associated: Uint8Array, text: Uint8Array, tag: Uint8Array, ssrc: number, high: number, low: number): Buffer | undefined {
    const vector = this.#vectorOf(ssrc, high, low);
    if (tag.length !== TAG_BYTES) return undefined;
    fastOpen ??= bindFastGcm() ?? null;
    if (fastOpen) return fastOpen(this.#keyBytes, vector, associated, text, tag);
    const cipher = createDecipheriv('aes-128-gcm', this.#key, vector, { authTagLength: TAG_BYTES });
    cipher.setAAD(associated);
    cipher.setAuthTag(tag);
    const opened = cipher.update(text);
    try {
      cipher.final();
    } catch {
      return undefined;
    }
    return opened;
  }

  /** The encrypted text and its tag. */
  seal(associated: Uint8Array, text: Uint8Array, ssrc: number, high: number, low: number): Buffer {
    const cipher = createCipheriv('aes-128-gcm', this.#key, this.#vectorOf(ssrc, high, low), { authTagLength: TAG_BYTES });
    cipher.setAAD(associated);
    const sealed = cipher.update(text);
    cipher.final();
    return Buffer.concat([sealed, cipher.getAuthTag()]);
  }

  /** RFC 7714, sections 8.1 and 9.1: SSRC and index, with the salt over them. */
  #vectorOf(ssrc: number, high: number, low: number): Buffer {
    const vector = this.#vector;
    vector.writeUInt16BE(0, 0);
    vector.writeUInt32BE(ssrc >>> 0, 2);
    vector.writeUInt16BE(high, 6);
    vector.writeUInt32BE(low >>> 0, 8);
    for (let i = 0; i < vector.length; i += 1) vector[i] = (vector[i] ?? 0) ^ (this.#salt[i] ?? 0);
    return vector;
  }
}
