import { CEPSTRUM_SIZE } from './library.ts';

/** What is searched again with each segment of a young lane, at most (9 s). */
const MAX_FRAMES = 900;

/** The last segments of a young lane, in cepstra. What was said among them is better understood as a whole. */
export class Context {
  #parts: readonly Float32Array[];

  constructor(parts: readonly Float32Array[] = []) {
    this.#parts = parts;
  }

  /** Oldest first. */
  get parts(): readonly Float32Array[] {
    return this.#parts;
  }

  /** All of it, copied. */
  get cepstra(): Float32Array {
    const out = new Float32Array(valuesOf(this.#parts));
    let offset = 0;
    for (const part of this.#parts) {
      out.set(part, offset);
      offset += part.length;
    }
    return out;
  }

  /** The oldest segments that are too much are forgotten. */
  add(segment: Float32Array): void {
    const parts = [...this.#parts, segment];
    while (valuesOf(parts) > MAX_FRAMES * CEPSTRUM_SIZE) parts.shift();
    this.#parts = parts;
  }

  clear(): void {
    this.#parts = [];
  }
}

const valuesOf = (parts: readonly Float32Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);
