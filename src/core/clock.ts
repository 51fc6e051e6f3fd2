/** The only source of time in core. `nowMs` is monotonic and has no relation to the calendar. */
export interface Clock {
  nowMs(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels and is idempotent. */
  setTimer(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

const COALESCED_EVERY_MS = 20;

/** The next time at or after `dueMs` that timers share that need not be exact to 20 ms: for hundreds of streams the process is woken once, not hundreds of times. */
export const coalesced = (dueMs: number): number => Math.ceil(dueMs / COALESCED_EVERY_MS) * COALESCED_EVERY_MS;

/** A clock that stands still until `advance` is called. Timers fire in order of their due time. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ dueMs: number; callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      let next: { dueMs: number; callback: () => void } | undefined;
      for (const timer of this.#timers) {
        if (timer.dueMs <= untilMs && (!next || timer.dueMs < next.dueMs)) next = timer;
      }
      if (!next) break;
      this.#timers.delete(next);
      this.#nowMs = next.dueMs;
      next.callback();
    }
    this.#nowMs = untilMs;
  }
}
