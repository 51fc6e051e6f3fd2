const WORD_BITS = 32;

/**
 * Which packets of one stream were seen already (RFC 3711, section 3.3.2): the last {@link ReplayWindow.sizePackets} indices
 * up to the highest. An index below them counts as seen. Pure.
 */
export class ReplayWindow {
  /** RFC 3711 asks for 64 at least. */
  readonly sizePackets: number;
  readonly #seen: Int32Array;
  #highest = -1;

  /** `sizePackets` is a multiple of 32. */
  constructor(sizePackets = 128) {
    this.sizePackets = sizePackets;
    this.#seen = new Int32Array(sizePackets / WORD_BITS);
  }

  /** The highest index so far; -1 before the first. */
  get highest(): number {
    return this.#highest;
  }

  isFresh(index: number): boolean {
    if (index > this.#highest) return true;
    if (index <= this.#highest - this.sizePackets) return false;
    return ((this.#seen[this.#word(index)] ?? 0) & (1 << index % WORD_BITS)) === 0;
  }

  /** To be called for packets that are authentic, and only for those. */
  add(index: number): void {
    if (index > this.#highest) {
      this.#forget(Math.max(this.#highest + 1, index - this.sizePackets + 1), index);
      this.#highest = index;
    } else if (index <= this.#highest - this.sizePackets) return;
    const word = this.#word(index);
    this.#seen[word] = (this.#seen[word] ?? 0) | (1 << index % WORD_BITS);
  }

  /** Clears the places of the indices `from` to `to`, which held older ones. */
  #forget(from: number, to: number): void {
    for (let index = from; index <= to; index += 1) {
      const word = this.#word(index);
      this.#seen[word] = (this.#seen[word] ?? 0) & ~(1 << index % WORD_BITS);
    }
  }

  #word(index: number): number {
    return Math.floor(index / WORD_BITS) % this.#seen.length;
  }
}
