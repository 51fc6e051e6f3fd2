/** Parts of the window; one at a time is forgotten. */
const PARTS = 4;

/** The least value of the last while: between three quarters of the window and the whole. Pure, constant memory. */
export class WindowedMinimum {
  readonly #partMs: number;
  /** Newest last. */
  readonly #parts: { readonly startMs: number; least: number }[] = [];
  #least: number | undefined;

  /** `windowMs`: default 20 s. */
  constructor(windowMs = 20_000) {
    this.#partMs = windowMs / PARTS;
  }

  add(value: number, nowMs: number): void {
    const newest = this.#parts.at(-1);
    if (newest && nowMs - newest.startMs < this.#partMs) {
      newest.least = Math.min(newest.least, value);
      this.#least = Math.min(this.#least ?? value, value);
      return;
    }
    this.#parts.push({ startMs: nowMs, least: value });
    if (this.#parts.length > PARTS) this.#parts.shift();
    this.#least = this.#parts.reduce((least, part) => Math.min(least, part.least), value);
  }

  /** Undefined before the first value. After a silence longer than the window the last known value holds. */
  get value(): number | undefined {
    return this.#least;
  }

  /** Forgets all that was added. */
  clear(): void {
    this.#parts.length = 0;
    this.#least = undefined;
  }

  /** Moves all that was added, when the axis of the values was moved. */
  shift(by: number): void {
    for (const part of this.#parts) part.least += by;
    if (this.#least !== undefined) this.#least += by;
  }
}
