import type { Clock } from '../core/clock.ts';

const HOUR_MS = 3600_000;

/** Does something at the start and every hour after that; never twice at a time. `work` never rejects. */
export class Hourly {
  readonly #clock: Clock;
  readonly #work: () => Promise<void>;
  #working: Promise<void> = Promise.resolve();
  #cancel = (): void => undefined;
  #closed = false;

  constructor(clock: Clock, work: () => Promise<void>) {
    this.#clock = clock;
    this.#work = work;
  }

  start(): void {
    if (this.#closed) return;
    this.#working = this.#work();
    void this.#working.then(() => {
      if (this.#closed) return;
      this.#cancel = this.#clock.setTimer(HOUR_MS, () => {
        this.start();
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#working;
  }
}
