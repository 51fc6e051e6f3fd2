import { randomUUID } from 'node:crypto';
import type { CallbackMethod } from '../core/store/jobs.ts';
import { attemptCallback, type CallbackAttemptOptions } from './callback-attempt.ts';

export interface CallbackQueueOptions extends CallbackAttemptOptions {
  readonly tenantId: string;
  readonly url: string;
  readonly method?: CallbackMethod;
  /** Pauses between the attempts of one callback, in ms. Default 1, 2, 4 and 8 s: five attempts. */
  readonly pausesMs?: readonly number[];
  /** Bodies that may wait; with more, the oldest goes. Default 1000. */
  readonly maxWaiting?: number;
  readonly log: { warn(fields: object, message: string): void };
}

const DEFAULT_PAUSES_MS = [1000, 2000, 4000, 8000];
const DEFAULT_MAX_WAITING = 1000;

/**
 * Callbacks of something that goes on, in its order and one after the other: the next is sent once the receiver took the one before, or it
 * is given up. Where one was given up, those after it have one attempt each until the receiver is back. Kept in memory.
 */
export class CallbackQueue {
  readonly #options: CallbackQueueOptions;
  readonly #waiting: string[] = [];
  readonly #stopped = new AbortController();
  #working: Promise<void> | undefined;
  #isLost = false;
  #dropped = 0;

  constructor(options: CallbackQueueOptions) {
    this.#options = options;
  }

  /** JSON text. */
  send(body: string): void {
    if (this.#stopped.signal.aborted) return;
    this.#waiting.push(body);
    if (this.#waiting.length > (this.#options.maxWaiting ?? DEFAULT_MAX_WAITING)) {
      this.#waiting.shift();
      this.#dropped += 1;
      if (this.#dropped === 1) this.#options.log.warn({ tenantId: this.#options.tenantId }, 'a receiver of callbacks is too slow: the oldest are dropped');
    }
    this.#working ??= this.#work();
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#working;
  }

  /** Gives up what waits. */
  close(): void {
    this.#stopped.abort();
    this.#waiting.length = 0;
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    for (let body = this.#waiting.shift(); body !== undefined; body = this.#waiting.shift()) await this.#deliver(body);
    this.#working = undefined;
  }

  async #deliver(body: string): Promise<void> {
    const { tenantId, url, method = 'POST', pausesMs = DEFAULT_PAUSES_MS, log } = this.#options;
    const callback = { id: `evt_${randomUUID()}`, tenantId, url, method, body };
    const pauses = this.#isLost ? [] : pausesMs;
    for (const pauseMs of [...pauses, undefined]) {
      const problem = await attemptCallback(this.#options, callback, this.#stopped.signal);
      this.#isLost = problem !== undefined && pauseMs === undefined;
      if (problem === undefined || this.#stopped.signal.aborted) return;
      if (pauseMs === undefined) log.warn({ tenantId, problem }, 'a live callback is given up');
      else await this.#pause(pauseMs);
    }
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#stopped;
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = this.#options.clock.setTimer(ms, end);
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
    });
  }
}
