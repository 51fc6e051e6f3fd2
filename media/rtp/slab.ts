/**
 * Memory that small pieces share, one behind the other in the order in which they are asked for; nobody gives any back. Memory of its own costs
 * each piece more than it is worth. Who holds a piece holds the slab it lies in, so what lives for long does not belong beside what is short-lived.
 */
export class Slab {
  readonly #bytes: number;
  #memory: ArrayBuffer = new ArrayBuffer(0);
  #usedBytes = 0;

  /** `bytes`: of one slab, and the most that a piece may have. */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Where the piece that was reserved last lies. */
  get memory(): ArrayBuffer {
    return this.#memory;
  }

  /** The offset in `memory` of a piece of so many bytes, all zero. */
  reserve(bytes: number): number {
    if (this.#usedBytes + bytes > this.#memory.byteLength) {
      this.#memory = new ArrayBuffer(this.#bytes);
      this.#usedBytes = 0;
    }
    const at = this.#usedBytes;
    this.#usedBytes += bytes;
    return at;
  }
}
