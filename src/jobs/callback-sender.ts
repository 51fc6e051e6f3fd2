import type { CallbackRecord } from '../core/store/jobs.ts';
import { type AttemptResult, type Headers, sendCallback, type SendOptions } from './callback-attempt.ts';

/** What is owed, and what becomes of it. */
export interface CallbackOutbox {
  /** Due callbacks, not handed out again before `nowMs + leaseMs`. */
  leaseCallbacks(nowMs: number, leaseMs: number, limit: number): Promise<readonly CallbackRecord[]>;
  /** Null: delivered or given up, as `result` says. `result` is absent where the server stopped in the midst of the attempt. */
  settleCallback(id: string, retryAtMs: number | null, result?: AttemptResult): Promise<void>;
}

export interface CallbackSenderOptions extends Omit<SendOptions, 'timeoutMs'> {
  readonly outbox: CallbackOutbox;
  /** Headers of one attempt, which sign it among others. */
  readonly headersOf: (callback: CallbackRecord) => Promise<Headers>;
  /** Pauses between attempts; after the last the callback is given up. Default: seven, about a day and a half. */
  readonly retryPausesMs?: readonly number[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Longest time until a callback that became due by itself is seen. Default 5 s. */
  readonly pollMs?: number;
  /** Time that one attempt may take. Default 15 s. */
  readonly timeoutMs?: number;
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
}

const DEFAULT_POLL_MS = 5000;
const DEFAULT_TIMEOUT_MS = 15_000;
/** At the same time, and taken from the store at once. */
const BATCH = 8;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const DEFAULT_RETRY_PAUSES_MS = [10 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 120 * MINUTE_MS, 480 * MINUTE_MS, 1440 * MINUTE_MS];

/**
 * Delivers the callbacks that the store owes. They stay in the store until the receiver has answered with 2xx or the last attempt is over,
 * so a crash repeats at most the present attempt, with the same event id.
 */
export class CallbackSender {
  readonly #options: CallbackSenderOptions;
  readonly #stopped = new AbortController();
  readonly #stop = Promise.withResolvers<void>();
  #wake = Promise.withResolvers<void>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: CallbackSenderOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#work();
  }

  /** There is something to send: look now. */
  wake(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }

  /** Breaks off what is being sent; it stays owed. Idempotent. */
  async close(): Promise<void> {
    this.#stopped.abort();
    this.#stop.resolve();
    await this.#loop;
  }

  async #work(): Promise<void> {
    const { outbox, clock, now, pollMs = DEFAULT_POLL_MS, timeoutMs = DEFAULT_TIMEOUT_MS, log } = this.#options;
    while (!this.#stopped.signal.aborted) {
      const woken = this.#wake.promise;
      // Nobody else takes them while they are being sent.
      const due = await outbox.leaseCallbacks(now(), 2 * timeoutMs, BATCH).catch((error: unknown) => {
        log.error({ err: error }, 'the callbacks cannot be read');
        return [];
      });
      await Promise.all(due.map((callback) => this.#deliver(callback)));
      if (due.length > 0) continue;
      const polled = Promise.withResolvers<void>();
      const cancel = clock.setTimer(pollMs, polled.resolve);
      await Promise.race([woken, polled.promise, this.#stop.promise]);
      cancel();
    }
  }

  /** Never rejects. */
  async #deliver(callback: CallbackRecord): Promise<void> {
    const { outbox, headersOf, now, timeoutMs = DEFAULT_TIMEOUT_MS, retryPausesMs = DEFAULT_RETRY_PAUSES_MS, log } = this.#options;
    const about = { jobId: callback.jobId, eventId: callback.id, attempt: callback.attempts + 1 };
    try {
      const result = await sendCallback({ ...this.#options, timeoutMs }, callback, () => headersOf(callback), this.#stopped.signal);
      const { problem } = result;
      if (this.#stopped.signal.aborted && problem !== undefined) {
        await outbox.settleCallback(callback.id, now());
      } else if (problem === undefined) {
        await outbox.settleCallback(callback.id, null, result);
      } else {
        const pauseMs = retryPausesMs[callback.attempts];
        log.warn({ ...about, problem }, pauseMs === undefined ? 'a callback is given up' : 'a callback was not taken and is tried again');
        await outbox.settleCallback(callback.id, pauseMs === undefined ? null : now() + pauseMs, result);
      }
    } catch (error) {
      log.error({ ...about, err: error }, 'a callback cannot be settled');
    }
  }
}
