import { EarshotError } from '../core/errors.ts';
import type { RecognizerPriority } from '../core/recognizer.ts';

/** So many at a time; what waits is served in order, `live` before `batch`. Who finds too many waiting is refused: `BACKEND_RATE_LIMITED`. */
export class Turns {
  readonly #concurrency: number;
  readonly #maxWaiting: number;
  readonly #waiting: Readonly<Record<RecognizerPriority, (() => void)[]>> = { live: [], batch: [] };
  #taken = 0;

  constructor(concurrency: number, maxWaiting: number) {
    this.#concurrency = concurrency;
    this.#maxWaiting = maxWaiting;
  }

  /** Rejects with the signal's reason if it aborts while `work` waits; within, that is for `work` to notice. */
  async take<T>(priority: RecognizerPriority, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#taken < this.#concurrency) this.#taken += 1;
    else await this.#wait(priority, signal);
    try {
      return await work();
    } finally {
      const next = this.#waiting.live.shift() ?? this.#waiting.batch.shift();
      if (next) next();
      else this.#taken -= 1;
    }
  }

  /** A place is handed over by who leaves it. */
  #wait(priority: RecognizerPriority, signal: AbortSignal): Promise<void> {
    const queue = this.#waiting[priority];
    if (queue.length >= this.#maxWaiting) throw new EarshotError('BACKEND_RATE_LIMITED', 'The language model has too much to do.', { retryAfterSeconds: 5 });
    return new Promise((resolve, reject) => {
      const next = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        queue.splice(queue.indexOf(next), 1);
        reject(signal.reason as Error);
      };
      queue.push(next);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
