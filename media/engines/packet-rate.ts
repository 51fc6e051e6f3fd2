/** A bound on a peer's packets: as many as allowed in each second of the clock; the rest of that second goes by without. */
export class PacketRate {
  readonly #maxPerSecond: number;
  #second = 0;
  #packets = 0;

  constructor(maxPerSecond: number) {
    this.#maxPerSecond = maxPerSecond;
  }

  /** Counts a packet; false if it is one too many. */
  allows(nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#packets = 0;
    }
    this.#packets += 1;
    return this.#packets <= this.#maxPerSecond;
  }
}
