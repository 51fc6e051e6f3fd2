export interface CircuitBreakerOptions {
  /** Failures in a row that open it. Default 3. */
  readonly maxFailures?: number;
  /** How long it stays open the first time, in ms; twice as long each time that the trial fails. Default 10000. */
  readonly openMs?: number;
  /** Longest time it stays open, in ms. Default 120000. */
  readonly maxOpenMs?: number;
}

export type CircuitState = 'closed' | 'open' | 'half-open';

const DEFAULTS: Required<CircuitBreakerOptions> = { maxFailures: 3, openMs: 10_000, maxOpenMs: 120_000 };

/**
 * Whether something that may be broken is worth a try, judged by its use. Pure: time is told.
 *
 *            maxFailures in a row                 openMs are over
 *   closed ----------------------> open <-----------------------> half-open
 *     ^                              ^        failure (longer)      |   one trial at a time
 *     +------------------------------|------------------------------+
 *                                    success
 */
export class CircuitBreaker {
  readonly #options: Required<CircuitBreakerOptions>;
  #failuresInRow = 0;
  /** How often it was opened since it last was closed. */
  #openings = 0;
  #openUntilMs: number | undefined;
  /** No other trial until then: a session in which nobody speaks shows nothing. */
  #tryingUntilMs = 0;

  constructor(options: CircuitBreakerOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  state(nowMs: number): CircuitState {
    if (this.#openUntilMs === undefined) return 'closed';
    return nowMs < this.#openUntilMs ? 'open' : 'half-open';
  }

  /** Milliseconds until it is worth a try; 0: now. While a trial goes on, until it has had its time. */
  waitMs(nowMs: number): number {
    if (this.#openUntilMs === undefined) return 0;
    return Math.max(0, this.#openUntilMs - nowMs, this.#tryingUntilMs - nowMs);
  }

  /** A use begins. True: it is the trial that decides, until `succeeded`, `failed` or `leftUndecided`. */
  used(nowMs: number): boolean {
    if (this.state(nowMs) !== 'half-open' || nowMs < this.#tryingUntilMs) return false;
    this.#tryingUntilMs = nowMs + this.#options.openMs;
    return true;
  }

  /** The trial ended before it showed anything. */
  leftUndecided(): void {
    this.#tryingUntilMs = 0;
  }

  succeeded(): void {
    this.#failuresInRow = 0;
    this.#openings = 0;
    this.#openUntilMs = undefined;
    this.#tryingUntilMs = 0;
  }

  failed(nowMs: number): void {
    this.#failuresInRow += 1;
    const state = this.state(nowMs);
    // What was begun before it opened tells nothing new.
    if (state === 'open' || (state === 'closed' && this.#failuresInRow < this.#options.maxFailures)) return;
    const { openMs, maxOpenMs } = this.#options;
    this.#openUntilMs = nowMs + Math.min(maxOpenMs, openMs * 2 ** this.#openings);
    this.#openings += 1;
    this.#tryingUntilMs = 0;
  }
}
