import { SAMPLE_RATE_HZ } from '../core/audio.ts';
import type { Clock } from '../core/clock.ts';
import { EarshotError, toEarshotError } from '../core/errors.ts';
import type { Session } from '../core/session/session.ts';
import type { Budget } from '../core/store/tenants.ts';
import type { Balance, BudgetLimit, UsageStore } from '../core/store/usage.ts';

/** Audio that is put aside at a time. */
const SLICE_SAMPLES = 60 * SAMPLE_RATE_HZ;
/** A reservation that is not renewed for so long belongs to a server that is gone. */
export const RESERVATION_MS = 5 * 60_000;
const RENEW_MS = 60_000;
/** Used up so far, a budget is low. */
const LOW_SHARE = 0.8;

export interface BudgetTabOptions {
  readonly usage: UsageStore;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Id of the reservation. */
  readonly id: string;
  readonly limits: readonly BudgetLimit[];
}

/**
 * What one session may still hear. Slices are put aside before they are heard, the next one when half of the last is left, so that the
 * audio does not wait for the store; when no more can be had, the session hears what it has and fails with `BUDGET_EXCEEDED`.
 */
export class BudgetTab {
  readonly #options: BudgetTabOptions;
  #heardSamples = 0;
  #heldSamples = 0;
  /** The accounts gave less than was asked: they are asked again only when it is used up. */
  #isLast = false;
  /** Heard samples at which the budget is low, and whose it is. */
  #low: { readonly atSamples: number; readonly limit: BudgetLimit; readonly leftSamples: number } | undefined;
  #warned = false;
  #raising: Promise<void> | undefined;
  #cancelRenewal: () => void = () => undefined;

  constructor(options: BudgetTabOptions) {
    this.#options = options;
  }

  /** Puts the first slice aside. Throws `BUDGET_EXCEEDED` if there is nothing left. */
  async open(): Promise<void> {
    await this.#raise();
    if (this.#heldSamples === 0) throw exceeded();
  }

  /** From now on the session hears no more than it may. */
  follow(session: Session): void {
    session.gateIntake(async (samples) => {
      try {
        if (!(await this.#admits(samples))) throw exceeded();
      } catch (error) {
        void session.fail(toEarshotError(error));
        return false;
      }
      this.#warnOnce(session);
      return true;
    });
    this.#renewLater();
  }

  /** Before the reservation is settled. Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#cancelRenewal();
    await this.#raising?.catch(() => undefined);
  }

  async #admits(samples: number): Promise<boolean> {
    for (let asked = false; this.#heardSamples + samples > this.#heldSamples; asked = true) {
      if (asked && this.#isLast) return false;
      await this.#raise(samples);
    }
    this.#heardSamples += samples;
    // What goes wrong here is met when the slice is used up.
    if (!this.#isLast && this.#heldSamples - this.#heardSamples < SLICE_SAMPLES / 2) this.#raise().catch(() => undefined);
    return true;
  }

  /** One at a time; who comes meanwhile joins, and looks again. */
  #raise(forSamples = 0): Promise<void> {
    return (this.#raising ??= this.#reserve(this.#heardSamples + forSamples + SLICE_SAMPLES).finally(() => {
      this.#raising = undefined;
    }));
  }

  async #reserve(samples: number): Promise<void> {
    const { usage, now, id, limits } = this.#options;
    const nowMs = now();
    const { heldSamples, balances } = await usage.reserve({ id, limits, samples, nowMs, untilMs: nowMs + RESERVATION_MS });
    this.#heldSamples = heldSamples;
    this.#isLast = heldSamples < samples;
    const lows = limits.map((limit, index) => lowPoint(limit, balances[index], heldSamples));
    this.#low = lows.sort((a, b) => a.atSamples - b.atSamples)[0];
  }

  #warnOnce(session: Session): void {
    if (this.#warned || !this.#low || this.#heardSamples < this.#low.atSamples) return;
    this.#warned = true;
    const leftSamples = Math.max(0, this.#low.leftSamples - this.#heardSamples);
    session.tell({ type: 'budget.warning', owner: this.#low.limit.owner, leftSamples });
  }

  #renewLater(): void {
    this.#cancelRenewal = this.#options.clock.setTimer(RENEW_MS, () => {
      this.#raise().catch(() => undefined);
      this.#renewLater();
    });
  }
}

/** What this session alone would have to hear for the budget to be low, and to be used up. */
function lowPoint(limit: BudgetLimit, balance: Balance | undefined, heldSamples: number): { atSamples: number; limit: BudgetLimit; leftSamples: number } {
  const othersSamples = (balance?.spentSamples ?? 0) + (balance?.reservedSamples ?? 0) - heldSamples;
  return { atSamples: limit.limitSamples * LOW_SHARE - othersSamples, limit, leftSamples: limit.limitSamples - othersSamples };
}

/** An account's limit in the period of `atMs`. */
export function budgetLimit(owner: 'tenant' | 'key', id: string, { seconds, period }: Budget, atMs: number): BudgetLimit {
  const day = new Date(atMs).toISOString().slice(0, 10);
  return { owner, id, period: period === 'day' ? day : day.slice(0, 7), limitSamples: Math.floor(seconds * SAMPLE_RATE_HZ) };
}

const exceeded = (): EarshotError => new EarshotError('BUDGET_EXCEEDED', 'The budget for this period is used up.');
