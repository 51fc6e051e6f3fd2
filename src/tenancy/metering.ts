import { randomUUID } from 'node:crypto';
import type { AdmissionGuard, SessionWish } from '../core/admission.ts';
import type { Clock } from '../core/clock.ts';
import type { Principal } from '../core/principal.ts';
import type { Session } from '../core/session/session.ts';
import type { Store } from '../core/store.ts';
import type { UsageRecord } from '../core/store/usage.ts';
import { BudgetTab, RESERVATION_MS } from './budget-tab.ts';
import { budgetsOf } from './budgets.ts';

export interface MeteringOptions {
  readonly store: Pick<Store, 'tenants' | 'keys' | 'usage'>;
  readonly clock: Clock;
  /** Milliseconds since 1970. Default: the system's. */
  readonly now?: () => number;
  readonly log: { error(fields: object, message: string): void };
}

/**
 * Keeps account of every session, whatever way it ends: one usage record each, and budgets of tenant and key that are reserved before they
 * are used. A job's session leaves what it heard reserved for the job, whose completion records it.
 */
export class Metering {
  readonly #options: MeteringOptions;
  readonly #now: () => number;
  readonly #settling = new Set<Promise<void>>();

  constructor(options: MeteringOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Refuses with `BUDGET_EXCEEDED`. */
  readonly guard: AdmissionGuard = async (caller, wish) => {
    const { usage } = this.#options.store;
    const startAtMs = this.#now();
    const startMs = this.#options.clock.nowMs();
    const limits = await budgetsOf(this.#options.store, caller, startAtMs);
    const id = `res_${randomUUID()}`;
    const tab = limits.length === 0 ? undefined : new BudgetTab({ usage, clock: this.#options.clock, now: this.#now, id, limits });
    await tab?.open();
    return (session) => {
      if (session) tab?.follow(session);
      this.#settle(async () => {
        await session?.closed;
        await tab?.close();
        if (!session || wish.transport === 'job') {
          if (tab) await usage.release(id, session && heirOf(session, wish, this.#now()));
          return;
        }
        const durationMs = this.#options.clock.nowMs() - startMs;
        await usage.record(recordOf(session, caller, wish, { atMs: startAtMs, durationMs }), id);
      }, session);
    };
  };

  /** Resolves when every session so far is settled: those that go on are waited for. */
  async settled(): Promise<void> {
    while (this.#settling.size > 0) await Promise.all(this.#settling);
  }

  #settle(work: () => Promise<void>, session: Session | undefined): void {
    const settling = work()
      .catch((error: unknown) => {
        this.#options.log.error({ err: error, sessionId: session?.id, tenantId: session?.tenantId, lanes: session?.totals() }, 'usage could not be recorded');
      })
      .finally(() => this.#settling.delete(settling));
    this.#settling.add(settling);
  }
}

function recordOf(session: Session, caller: Principal, wish: SessionWish, { atMs, durationMs }: { readonly atMs: number; readonly durationMs: number }): UsageRecord {
  return {
    id: session.id,
    tenantId: caller.tenantId,
    keyId: caller.keyId,
    transport: wish.transport,
    backend: session.backend,
    jobId: wish.jobId ?? null,
    atMs,
    durationMs,
    audioBytes: session.audioBytes,
    heardSamples: sum(session.totals().map((lane) => lane.heardSamples)),
    speechSamples: sum(session.totals().map((lane) => lane.speechSamples)),
  };
}

function heirOf(session: Session, wish: SessionWish, nowMs: number): { id: string; samples: number; untilMs: number } | undefined {
  if (wish.jobId === undefined) return undefined;
  return { id: wish.jobId, samples: sum(session.totals().map((lane) => lane.heardSamples)), untilMs: nowMs + RESERVATION_MS };
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
