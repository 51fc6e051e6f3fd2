/** Parts of the window; one at a time is forgotten. */
const PARTS = 4;
const NEWEST = PARTS - 1;
/** Behind the parts: when the newest began, and the least of all. */
const STARTED = PARTS;
const LEAST = PARTS + 1;

/**
 * The least value of the last while: between three quarters of the window and the whole. Pure, constant memory: one piece of it, because every packet of
 * hundreds of streams is measured by several of these, and what lies apart comes from far.
 */
export class WindowedMinimum {
  readonly #partMs: number;
  /** The least of each part, newest last, then {@link STARTED} and {@link LEAST}. Infinite where there is none. */
  readonly #figures = new Float64Array(LEAST + 1);

  /** `windowMs`: default 20 s. */
  constructor(windowMs = 20_000) {
    this.#partMs = windowMs / PARTS;
    this.clear();
  }

  add(value: number, nowMs: number): void {
    const figures = this.#figures;
    if (nowMs - (figures[STARTED] ?? 0) >= this.#partMs) this.#startPart(nowMs);
    if (value < (figures[NEWEST] ?? 0)) figures[NEWEST] = value;
    if (value < (figures[LEAST] ?? 0)) figures[LEAST] = value;
  }

  /** Undefined before the first value. After a silence longer than the window the last known value holds. */
  get value(): number | undefined {
    const least = this.#figures[LEAST];
    return least === Infinity ? undefined : least;
  }

  /** Forgets all that was added. */
  clear(): void {
    this.#figures.fill(Infinity);
    this.#figures[STARTED] = -Infinity;
  }

  /** Moves all that was added, when the axis of the values was moved. */
  shift(by: number): void {
    for (let i = 0; i <= LEAST; i += 1) if (i !== STARTED) this.#figures[i] = (this.#figures[i] ?? 0) + by;
  }

  #startPart(nowMs: number): void {
    const figures = this.#figures;
    figures.copyWithin(0, 1, PARTS);
    figures[NEWEST] = Infinity;
    figures[STARTED] = nowMs;
    figures[LEAST] = Math.min(...figures.subarray(0, PARTS));
  }
}
