import type { TransportKind } from '../admission.ts';
import type { BackendLetter } from './tenants.ts';

/** One call. `id` is the session's or the job's: recording it twice counts once. */
export interface UsageRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly transport: TransportKind;
  readonly backend: BackendLetter;
  readonly jobId: string | null;
  /** When the call began: the day and the budget's period that it counts for. */
  readonly atMs: number;
  /** Wall time of the call. */
  readonly durationMs: number;
  /** As they were sent, encoded; null where nobody counted: tracks of a WebRTC session. */
  readonly audioBytes: number | null;
  /** Samples at 16 kHz over all lanes; gaps included. */
  readonly heardSamples: number;
  readonly speechSamples: number;
}

export interface UsageQuery {
  readonly fromMs: number;
  readonly toMs: number;
  readonly groupBy: readonly ('day' | 'key' | 'backend' | 'transport')[];
}

export interface UsageSum {
  /** `2026-11-21` (UTC), where grouped by day. */
  readonly day?: string;
  readonly keyId?: string;
  readonly backend?: BackendLetter;
  readonly transport?: TransportKind;
  readonly calls: number;
  readonly heardSamples: number;
  readonly speechSamples: number;
  readonly audioBytes: number;
  readonly durationMs: number;
}

/** A purse that samples are taken from: of a tenant or of a key, in one period. */
export interface BudgetAccount {
  readonly owner: 'tenant' | 'key';
  /** The tenant's or the key's id. */
  readonly id: string;
  /** `2026-11` or `2026-11-21` (UTC). */
  readonly period: string;
}

/** An account and what may be taken from it. */
export interface BudgetLimit extends BudgetAccount {
  readonly limitSamples: number;
}

export interface Reservation {
  /** The session's or the job's, as in its usage record. */
  readonly id: string;
  readonly limits: readonly BudgetLimit[];
  /** What the call may have heard in all. */
  readonly samples: number;
  readonly nowMs: number;
  /** From then on the reservation is void: whoever made it is gone. */
  readonly untilMs: number;
}

export interface Balance {
  /** Heard by the recorded calls that began in the period, whether they had a reservation or not. */
  readonly spentSamples: number;
  /** Put aside for calls that go on. */
  readonly reservedSamples: number;
}

export interface UsageStore {
  /**
   * Keeps what a call that goes on has heard until now, in place of what was kept of it before; `record` ends that. As with what is said in a live session, a loss of
   * power may undo it, the end of the process does not.
   */
  note(usage: UsageRecord, reservationId?: string): Promise<void>;
  /** For the start: records what the server before had noted of calls that it did not live to end, and ends their reservations. Answers how many calls. */
  recordNoted(): Promise<number>;
  /** Records the call, and ends its reservation (default: the one of the same id). Idempotent by id. */
  record(usage: UsageRecord, reservationId?: string): Promise<void>;
  /** Groups in order of day, key, backend and transport. */
  sum(tenantId: string, query: UsageQuery): Promise<readonly UsageSum[]>;
  /**
   * Raises what is put aside under `id` to `samples`, or as near to it as every account allows, and never lowers it; answers what is
   * put aside then, and the accounts' balances in the order of `limits`. Spent and reserved together never pass a limit.
   */
  reserve(reservation: Reservation): Promise<{ readonly heldSamples: number; readonly balances: readonly Balance[] }>;
  /** Ends the reservation `id`; `samples` of it go to the reservation `heir`, as those of a session to its job's. Idempotent. */
  release(id: string, heir?: { readonly id: string; readonly samples: number; readonly untilMs: number }): Promise<void>;
  balance(account: BudgetAccount, nowMs: number): Promise<Balance>;
}
