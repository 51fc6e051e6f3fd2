import type { Clock } from '../clock.ts';
import type { Session } from './session.ts';

/** How long an ended session can still be read. */
const RETAIN_MS = 60_000;
/** Beyond, the oldest go first. */
const MAX_RETAINED = 1000;

/** Sessions that have ended, for readers who come late or come back. Those whose time is over go when the next one is added or asked for. */
export class RecentSessions {
  readonly #clock: Clock;
  /** In the order in which they ended. */
  readonly #entries = new Map<string, { readonly session: Session; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(id: string): Session | undefined {
    this.#dropOld(MAX_RETAINED);
    return this.#entries.get(id)?.session;
  }

  add(session: Session): void {
    this.#dropOld(MAX_RETAINED - 1);
    this.#entries.set(session.id, { session, untilMs: this.#clock.nowMs() + RETAIN_MS });
  }

  #dropOld(maxEntries: number): void {
    const nowMs = this.#clock.nowMs();
    for (const [id, { untilMs }] of this.#entries) {
      if (untilMs > nowMs && this.#entries.size <= maxEntries) return;
      this.#entries.delete(id);
    }
  }
}
