import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Cipheriv, KeyObject } from 'node:crypto';
import { bindFastGcm } from './fast-gcm.ts';
import type { OpenGcm } from './fast-gcm.ts';

const BLOCK_BYTES = 16;
/** Longer packets do not fit into a datagram of a usual network, and get a schedule of their own. */
const USUAL_BLOCKS = 128;
const TAG_BYTES = 16;
const VECTOR_BYTES = 12;

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
  readonly #vector = Buffer.alloc(VECTOR_BYTES);
  readonly #tag = Buffer.alloc(TAG_BYTES);

  /** `salt` has 12 bytes. */
  constructor(key: KeyObject, salt: Uint8Array) {
    this.#key = key;
    this.#keyBytes = key.export();
    this.#salt = salt;
  }

  /** The text of `packet` from `start` to its tag, which is all that follows; undefined if it or what stands before it is not authentic. Spoils the packet then. */
  openPacket(packet: Buffer, start: number, ssrc: number, high: number, low: number): Buffer | undefined {
    const tagAt = packet.length - TAG_BYTES;
    for (let i = 0; i < TAG_BYTES; i += 1) this.#tag[i] = packet[tagAt + i] ?? 0;
    return this.#open(packet, start, packet.subarray(start, tagAt), this.#tag, this.#vectorOf(ssrc, high, low));
  }

  /** The text, decrypted where it is; undefined if it or what is associated with it is not authentic. Spoils the text then. */
  open(associated: Uint8Array, text: Buffer, tag: Uint8Array, ssrc: number, high: number, low: number): Buffer | undefined {
    return tag.length === TAG_BYTES ? this.#open(associated, associated.length, text, tag, this.#vectorOf(ssrc, high, low)) : undefined;
  }

  #open(associated: Uint8Array, associatedBytes: number, text: Buffer, tag: Uint8Array, vector: Uint8Array): Buffer | undefined {
    fastOpen ??= bindFastGcm() ?? null;
    if (fastOpen) return fastOpen(this.#keyBytes, vector, associated, associatedBytes, text, tag) ? text : undefined;
    const cipher = createDecipheriv('aes-128-gcm', this.#key, vector, { authTagLength: TAG_BYTES });
    cipher.setAAD(associated.subarray(0, associatedBytes));
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
    for (let i = 0; i < 4; i += 1) vector[2 + i] = ssrc >>> (24 - 8 * i);
    vector[0] = vector[1] = 0;
    vector[6] = high >>> 8;
    vector[7] = high;
    for (let i = 0; i < 4; i += 1) vector[8 + i] = low >>> (24 - 8 * i);
    for (let i = 0; i < VECTOR_BYTES; i += 1) vector[i] = (vector[i] ?? 0) ^ (this.#salt[i] ?? 0);
    return vector;
  }
}
