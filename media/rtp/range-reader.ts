/** The range is kept above this (RFC 6716, section 4.1.2.1). */
const LEAST_RANGE = 2 ** 23;
const WINDOW = 0x7fffffff;
/** Bits that are kept behind the last one read: enough for {@link RangeReader.cut} to end a packet anew. */
const SPARE_BITS = 16;

/**
 * Reads what Opus' range coder wrote (RFC 6716, section 4.1), from the packet's beginning on. All numbers are 32-bit integers: a range of 2^31 is a negative one, and
 * is taken for what it is wherever that counts.
 */
export class RangeReader {
  readonly #ranges: readonly number[];
  #data: Uint8Array = new Uint8Array();
  /** Bytes taken; behind the end there are zeros. */
  #taken = 0;
  #last = 0;
  #range = 0;
  /** How far the code lies below the top of the range. */
  #value = 0;

  /** `ranges`: of each symbol, for each of its values, how much of 256 lies behind it; the last is 0. */
  constructor(ranges: readonly number[]) {
    this.#ranges = ranges;
  }

  /** Begins with the byte at `from`. */
  start(data: Uint8Array, from: number): void {
    this.#data = data;
    this.#last = data[from] ?? 0;
    this.#taken = from + 1;
    this.#range = 128;
    this.#value = 127 - (this.#last >> 1);
    this.#widen();
  }

  /** Bits read so far, rounded up, those of the bytes before `from` included. */
  get bits(): number {
    return 8 * this.#taken + 1 - (32 - Math.clz32(this.#range));
  }

  /** One value of a symbol, by where it begins in `ranges`. */
  symbol(at: number): number {
    const ranges = this.#ranges;
    const value = this.#value;
    const unit = this.#range >>> 8;
    let above = this.#range;
    let i = at;
    let below = Math.imul(unit, ranges[i] ?? 0);
    while (value < below) {
      above = below;
      i += 1;
      below = Math.imul(unit, ranges[i] ?? 0);
    }
    this.#value = value - below;
    this.#range = (above - below) | 0;
    if (this.#range >>> 0 <= LEAST_RANGE) this.#widen();
    return i - at;
  }

  /** The same of a symbol of two values. Most are, each as likely as the other, and what a processor guesses wrong costs it more than the arithmetic. */
  bit(at: number): number {
    const below = Math.imul(this.#range >>> 8, this.#ranges[at] ?? 0);
    const ahead = this.#value - below;
    const isSecond = ahead >> 31;
    this.#value = ahead + (below & isSecond);
    this.#range = ((this.#range - below) & ~isSecond) | (below & isSecond);
    if (this.#range >>> 0 <= LEAST_RANGE) this.#widen();
    return isSecond & 1;
  }

  /** Reads a bit that is set once in 2^`log`. */
  isSet(log: number): boolean {
    const set = this.#range >>> log;
    const isSet = this.#value < set;
    if (!isSet) this.#value -= set;
    this.#range = isSet ? set : (this.#range - set) | 0;
    this.#widen();
    return isSet;
  }

  /**
   * Puts the packet up to here into `to`, ended so that all that was read would be read again, without what was written behind it. Answers its bytes: fewer than
   * 17 bits are left over.
   */
  cut(to: Uint8Array): number {
    const { length } = this.#data;
    const bytes = Math.min(length, (this.bits + SPARE_BITS) >> 3);
    for (let i = 0; i < bytes; i += 1) to[i] = this.#data[i] ?? 0;
    if (bytes === length) return bytes;
    // What was read of the bytes that go: all but the last bit of the last byte taken.
    let gone = 0;
    for (let i = bytes; i < this.#taken; i += 1) gone = (gone << 8) | (this.#data[i] ?? 0);
    // Zeros in their place make a lesser code. Where that is below the range the next greater one of so many bytes is in it.
    if (this.#value + (gone >> 1) >= this.#range >>> 0) increment(to, bytes);
    return bytes;
  }

  #widen(): void {
    while (this.#range >>> 0 <= LEAST_RANGE) {
      const before = this.#last;
      this.#last = this.#data[this.#taken] ?? 0;
      this.#taken += 1;
      const byte = ((before << 7) | (this.#last >> 1)) & 0xff;
      this.#value = ((this.#value << 8) | (0xff ^ byte)) & WINDOW;
      this.#range <<= 8;
    }
  }
}

/** Adds one to the last of so many bytes. */
function increment(data: Uint8Array, bytes: number): void {
  for (let i = bytes - 1; i >= 0; i -= 1) {
    data[i] = ((data[i] ?? 0) + 1) & 0xff;
    if (data[i] !== 0) return;
  }
}
