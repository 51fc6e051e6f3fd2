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
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
}

/** Time between two notes of what a session has heard, where nothing is said. */
const NOTE_MS = 5000;

/**
 * Keeps account of every session, whatever way it ends: one usage record each, and budgets of tenant and key that are reserved before they
 * are used. A job's session leaves what it heard reserved for the job, whose end records it.
 *
 * What a session has heard is noted before anybody is told a final, and every few seconds, so that it outlives the server: `recover` records it then.
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
      const sofar = (heard: Session): UsageRecord => recordOf(heard, caller, wish, { atMs: startAtMs, durationMs: this.#options.clock.nowMs() - startMs });
      const endNotes = session && wish.transport !== 'job' ? this.#note(session, () => usage.note(sofar(session), tab && id)) : () => Promise.resolve();
      this.#settle(async () => {
        await session?.closed;
        await endNotes();
        await tab?.close();
        if (!session || wish.transport === 'job') {
          if (tab) await usage.release(id, session && heirOf(session, wish, this.#now()));
          return;
        }
        await usage.record(sofar(session), id);
      }, session);
    };
  };

  /** For the start, before anybody is served. Never rejects: what cannot be recorded is left for the next start. */
  async recover(): Promise<void> {
    const { store, log } = this.#options;
    try {
      const calls = await store.usage.recordNoted();
      if (calls > 0) log.warn({ calls }, 'what was heard in calls that the server before did not end is recorded');
    } catch (error) {
      log.error({ err: error }, 'what was heard in calls that the server before did not end could not be recorded');
    }
  }

  /** Resolves when every session so far is settled: those that go on are waited for. */
  async settled(): Promise<void> {
    while (this.#settling.size > 0) await Promise.all(this.#settling);
  }

  /** Notes what a session hears while it goes on. Answers how to end that; nothing is noted once this has resolved. */
  #note(session: Session, note: () => Promise<void>): () => Promise<void> {
    const { clock, log } = this.#options;
    let noted = 0;
    let last = Promise.resolve();
    let cancel = (): void => undefined;
    const write = (): Promise<void> => {
      noted = heardBy(session);
      last = note().catch((err: unknown) => {
        log.error({ err, sessionId: session.id }, 'what a session hears is not recorded until it ends');
      });
      return last;
    };
    const later = (): void => {
      cancel = clock.setTimer(NOTE_MS, () => {
        if (heardBy(session) > noted) void write();
        later();
      });
    };
    session.keepFinals(write);
    later();
    return async () => {
      cancel();
      await last;
    };
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
    heardSamples: heardBy(session),
    speechSamples: sum(session.totals().map((lane) => lane.speechSamples)),
  };
}

function heirOf(session: Session, wish: SessionWish, nowMs: number): { id: string; samples: number; untilMs: number } | undefined {
  if (wish.jobId === undefined) return undefined;
  return { id: wish.jobId, samples: heardBy(session), untilMs: nowMs + RESERVATION_MS };
}

const heardBy = (session: Session): number => sum(session.totals().map((lane) => lane.heardSamples));

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
