/** Longest time that a turn is held back: who gives way to others for long still gets on, a block at a time. */
const MAX_HOLD_MS = 1000;

/**
 * Whose search runs, in one engine process: lanes take turns, in the order in which they asked. A decoder's working set is far
 * larger than the caches of a core, so a lane uses its turn for all that it has waiting: the fuller the house, the longer the
 * turns and the less each second of audio costs.
 */
export class SearchTurns {
  readonly #maxHoldMs: number;
  #last: Promise<unknown> = Promise.resolve();
  #released: PromiseWithResolvers<void> | undefined;

  constructor(maxHoldMs = MAX_HOLD_MS) {
    this.#maxHoldMs = maxHoldMs;
  }

  /** Others need the cores: a turn that goes on is to end soon. */
  get held(): boolean {
    return this.#released !== undefined;
  }

  /** No turn begins until `release`, or until it has waited for long. */
  hold(): void {
    this.#released ??= Promise.withResolvers();
  }

  release(): void {
    this.#released?.resolve();
    this.#released = undefined;
  }

  /** Runs `turn` once all turns asked for before are over; settles as it does. */
  take<T>(turn: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(async () => {
      if (this.#released) await this.#wait(this.#released.promise);
      return turn();
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async #wait(released: Promise<void>): Promise<void> {
    const waited = Promise.withResolvers<void>();
    const timer = setTimeout(waited.resolve, this.#maxHoldMs);
    await Promise.race([released, waited.promise]);
    clearTimeout(timer);
  }
}
