/** Numbers that look random and are the same each time (xorshift, 32 bits). For tests and benchmarks. */
export class Randomness {
  #state: number;

  constructor(seed: number) {
    this.#state = seed === 0 ? 1 : seed >>> 0;
  }

  /** From 0 to 1, without 1. */
  next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to `limit`, without it. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }
}
