/** Longest time that a turn is held back, or put behind more urgent ones: who gives way to others for long still gets on. */
const MAX_HOLD_MS = 1000;

interface Waiting {
  readonly sinceMs: number;
  isUrgent(): boolean;
  run(): Promise<void>;
}

/**
 * Whose search runs, in one engine process: lanes take turns, in the order in which they asked, but that who is urgent comes before who is not. A decoder's working
 * set is far larger than the caches of a core, so a lane uses its turn for all that it has waiting: the fuller the house, the longer the
 * turns and the less each second of audio costs.
 */
export class SearchTurns {
  readonly #maxHoldMs: number;
  /** Each lane waits for one turn at a time. */
  readonly #waiting: Waiting[] = [];
  #current: Waiting | undefined;
  #isRunning = false;
  #released: PromiseWithResolvers<void> | undefined;

  constructor(maxHoldMs = MAX_HOLD_MS) {
    this.#maxHoldMs = maxHoldMs;
  }

  /** Others need the cores, or their turn more than this one is: a turn that goes on is to end soon. */
  get held(): boolean {
    return this.#released !== undefined || (this.#current?.isUrgent() === false && this.#waiting.some((each) => each.isUrgent()));
  }

  /** No turn begins until `release`, or until it has waited for long. */
  hold(): void {
    this.#released ??= Promise.withResolvers();
  }

  release(): void {
    this.#released?.resolve();
    this.#released = undefined;
  }

  /** Runs `turn` once those that come before it are over; settles as it does. `isUrgent` is asked anew whenever somebody's turn begins; default: it is not. */
  take<T>(turn: () => Promise<T>, isUrgent: () => boolean = () => false): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push({ sinceMs: performance.now(), isUrgent, run: () => Promise.try(turn).then(resolve, reject) });
    if (!this.#isRunning) {
      this.#isRunning = true;
      queueMicrotask(() => void this.#runAll());
    }
    return promise;
  }

  async #runAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (this.#released) await this.#wait(this.#released.promise);
      [this.#current] = this.#waiting.splice(this.#nextIndex(), 1);
      await this.#current?.run();
    }
    this.#current = undefined;
    this.#isRunning = false;
  }

  #nextIndex(): number {
    const waitedMs = performance.now() - (this.#waiting[0]?.sinceMs ?? 0);
    return waitedMs > this.#maxHoldMs ? 0 : Math.max(0, this.#waiting.findIndex((each) => each.isUrgent()));
  }

  async #wait(released: Promise<void>): Promise<void> {
    const waited = Promise.withResolvers<void>();
    const timer = setTimeout(waited.resolve, this.#maxHoldMs);
    await Promise.race([released, waited.promise]);
    clearTimeout(timer);
  }
}
