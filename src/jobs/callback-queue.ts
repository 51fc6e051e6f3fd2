import { randomUUID } from 'node:crypto';
import type { LiveCallback, LiveStore } from '../core/store/live.ts';
import { attemptCallback, type CallbackAttemptOptions } from './callback-attempt.ts';

export interface CallbackQueueOptions extends CallbackAttemptOptions {
  readonly tenantId: string;
  readonly sessionId: string;
  readonly url: string;
  /** Where what is owed outlives the server. */
  readonly store: Pick<LiveStore, 'owe' | 'settle'>;
  /** What is owed already, and in the store. */
  readonly owed?: readonly LiveCallback[];
  /** Pauses between the attempts of one callback, in ms. Default 1, 2, 4 and 8 s: five attempts. */
  readonly pausesMs?: readonly number[];
  /** Bodies that may wait; with more, the oldest goes. Default 1000. */
  readonly maxWaiting?: number;
  readonly log: { warn(fields: object, message: string): void };
}

const DEFAULT_PAUSES_MS = [1000, 2000, 4000, 8000];
const DEFAULT_MAX_WAITING = 1000;

/** One that waits, and when it is in the store. */
interface Waiting {
  readonly callback: LiveCallback;
  readonly kept: Promise<void>;
}

/**
 * Callbacks of a session, in its order and one after the other: the next is sent once the receiver took the one before, or it
 * is given up. Where one was given up, those after it have one attempt each until the receiver is back. Each is owed until then, beyond the
 * end of the server: a queue that is closed, or dies, is made again with what it left.
 */
export class CallbackQueue {
  readonly #options: CallbackQueueOptions;
  readonly #waiting: Waiting[];
  readonly #stopped = new AbortController();
  #working: Promise<void> | undefined;
  #isLost = false;
  #dropped = 0;

  constructor(options: CallbackQueueOptions) {
    this.#options = options;
    this.#waiting = (options.owed ?? []).map((callback) => ({ callback, kept: Promise.resolve() }));
    if (this.#waiting.length > 0) this.#working = this.#work();
  }

  /** JSON text. */
  send(body: string): void {
    const { tenantId, sessionId, url, store, log, maxWaiting = DEFAULT_MAX_WAITING } = this.#options;
    const callback = { id: `evt_${randomUUID()}`, tenantId, sessionId, url, body };
    const kept = store.owe(callback).catch((err: unknown) => {
      log.warn({ tenantId, err }, 'a live callback could not be kept');
    });
    if (this.#stopped.signal.aborted) return;
    this.#waiting.push({ callback, kept });
    if (this.#waiting.length > maxWaiting) {
      void this.#settle(this.#waiting.shift()!);
      this.#dropped += 1;
      if (this.#dropped === 1) log.warn({ tenantId }, 'a receiver of callbacks is too slow: the oldest are dropped');
    }
    this.#working ??= this.#work();
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#working;
  }

  /** Sends nothing more: what waits stays owed. */
  close(): void {
    this.#stopped.abort();
    this.#waiting.length = 0;
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      if (await this.#deliver(next.callback)) await this.#settle(next);
    }
    this.#working = undefined;
  }

  /** False: it was broken off, and is still owed. Never rejects. */
  async #deliver(callback: LiveCallback): Promise<boolean> {
    const { tenantId, pausesMs = DEFAULT_PAUSES_MS, log } = this.#options;
    const { signal } = this.#stopped;
    const pauses = this.#isLost ? [] : pausesMs;
    for (const pauseMs of [...pauses, undefined]) {
      const problem = await attemptCallback(this.#options, { ...callback, method: 'POST' }, signal);
      if (problem !== undefined && signal.aborted) return false;
      this.#isLost = problem !== undefined && pauseMs === undefined;
      if (problem === undefined) return true;
      if (pauseMs === undefined) log.warn({ tenantId, problem }, 'a live callback is given up');
      else await this.#pause(pauseMs);
    }
    return true;
  }

  /** Never rejects: what is not settled comes once more after the next start. */
  async #settle({ callback: { id, tenantId }, kept }: Waiting): Promise<void> {
    await kept;
    await this.#options.store.settle(id).catch((err: unknown) => {
      this.#options.log.warn({ tenantId, err }, 'a live callback could not be settled');
    });
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
