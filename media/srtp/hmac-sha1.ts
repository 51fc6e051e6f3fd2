const BLOCK_BYTES = 64;
const WORDS = 5;
const INITIAL = Int32Array.of(0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476, 0xc3d2e1f0 | 0);

/** Shared by all: one digest is made at a time, without a pause. */
const schedule = new Int32Array(80);
const block = new Uint8Array(BLOCK_BYTES);
const inner = new Int32Array(WORDS);
const outer = new Int32Array(WORDS);

/**
 * HMAC-SHA1 (RFC 2104) for packets of a hundred bytes, of which a call into node:crypto costs several times the digest itself.
 * The states after the padded keys are computed once per key. No step depends on secret data in time or memory access.
 */
export class HmacSha1 {
  readonly #innerStart: Int32Array;
  readonly #outerStart: Int32Array;

  /** `key` is at most 64 bytes long. */
  constructor(key: Uint8Array) {
    if (key.length > BLOCK_BYTES) throw new RangeError('The key is longer than a block.');
    this.#innerStart = stateAfter(key, 0x36);
    this.#outerStart = stateAfter(key, 0x5c);
  }

  /**
   * The digest of `data` from `start` to `end`, followed by the 32 bits of `suffix` if there is one, as five words.
   * They stand until the next call.
   */
  digest(data: Uint8Array, start: number, end: number, suffix?: number): Int32Array {
    inner.set(this.#innerStart);
    let at = start;
    for (; at + BLOCK_BYTES <= end; at += BLOCK_BYTES) compress(inner, data, at);
    const suffixBytes = suffix === undefined ? 0 : 4;
    let used = end - at;
    // A loop, because `subarray` costs more than these few bytes.
    for (let i = 0; i < used; i += 1) block[i] = data[at + i] ?? 0;
    if (suffix !== undefined) {
      for (let shift = 24; shift >= 0; shift -= 8) used = put(inner, used, suffix >>> shift);
    }
    finish(inner, used, BLOCK_BYTES + end - start + suffixBytes);
    outer.set(this.#outerStart);
    for (let word = 0; word < WORDS; word += 1) putWord(word * 4, inner[word] ?? 0);
    finish(outer, WORDS * 4, BLOCK_BYTES + WORDS * 4);
    return outer;
  }

  /** Does `data` carry, at `tagAt`, the first 80 bits of the digest? Takes the same time whatever the answer. */
  matches80(data: Uint8Array, start: number, end: number, suffix: number | undefined, tagAt: number): boolean {
    const words = this.digest(data, start, end, suffix);
    let difference = 0;
    for (let i = 0; i < 10; i += 1) difference |= (data[tagAt + i] ?? 0) ^ (((words[i >> 2] ?? 0) >>> (24 - 8 * (i & 3))) & 0xff);
    return difference === 0;
  }

  /** Writes the first 80 bits of the digest. */
  sign80(data: Uint8Array, start: number, end: number, suffix: number | undefined, tagAt: number): void {
    const words = this.digest(data, start, end, suffix);
    for (let i = 0; i < 10; i += 1) data[tagAt + i] = (words[i >> 2] ?? 0) >>> (24 - 8 * (i & 3));
  }
}

function stateAfter(key: Uint8Array, pad: number): Int32Array {
  const state = Int32Array.from(INITIAL);
  const padded = Uint8Array.from({ length: BLOCK_BYTES }, (_, i) => (key[i] ?? 0) ^ pad);
  compress(state, padded, 0);
  return state;
}

function put(state: Int32Array, used: number, byte: number): number {
  block[used] = byte;
  if (used + 1 < BLOCK_BYTES) return used + 1;
  compress(state, block, 0);
  return 0;
}

function putWord(at: number, word: number): void {
  block[at] = word >>> 24;
  block[at + 1] = word >>> 16;
  block[at + 2] = word >>> 8;
  block[at + 3] = word;
}

function finish(state: Int32Array, used: number, totalBytes: number): void {
  let at = put(state, used, 0x80);
  if (at > BLOCK_BYTES - 8) {
    block.fill(0, at);
    compress(state, block, 0);
    at = 0;
  }
  block.fill(0, at, BLOCK_BYTES - 4);
  putWord(BLOCK_BYTES - 4, totalBytes * 8);
  compress(state, block, 0);
}

/** One block (FIPS 180-4, section 6.1.2). */
function compress(state: Int32Array, data: Uint8Array, start: number): void {
  const w = schedule;
  for (let i = 0, at = start; i < 16; i += 1, at += 4) {
    w[i] = ((data[at] ?? 0) << 24) | ((data[at + 1] ?? 0) << 16) | ((data[at + 2] ?? 0) << 8) | (data[at + 3] ?? 0);
  }
  for (let i = 16; i < 80; i += 1) {
    const x = (w[i - 3] ?? 0) ^ (w[i - 8] ?? 0) ^ (w[i - 14] ?? 0) ^ (w[i - 16] ?? 0);
    w[i] = (x << 1) | (x >>> 31);
  }
  let a = state[0] ?? 0;
  let b = state[1] ?? 0;
  let c = state[2] ?? 0;
  let d = state[3] ?? 0;
  let e = state[4] ?? 0;
  for (let i = 0; i < 80; i += 1) {
    let mixed: number;
    if (i < 20) mixed = ((b & c) | (~b & d)) + 0x5a827999;
    else if (i < 40) mixed = (b ^ c ^ d) + 0x6ed9eba1;
    else if (i < 60) mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    else mixed = (b ^ c ^ d) + 0xca62c1d6;
    const next = (((a << 5) | (a >>> 27)) + mixed + e + (w[i] ?? 0)) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  state[0] = ((state[0] ?? 0) + a) | 0;
  state[1] = ((state[1] ?? 0) + b) | 0;
  state[2] = ((state[2] ?? 0) + c) | 0;
  state[3] = ((state[3] ?? 0) + d) | 0;
  state[4] = ((state[4] ?? 0) + e) | 0;
}
