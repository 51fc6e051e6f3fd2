import type { Principal } from '../core/principal.ts';
import type { HttpServices } from './services.ts';

/** What one budget allows in its present period, in samples. */
export interface Allowance {
  /** `2026-11` or `2026-11-21` (UTC). */
  readonly period: string;
  readonly limitSamples: number;
  readonly spentSamples: number;
  /** Put aside for sessions that go on. */
  readonly reservedSamples: number;
  readonly leftSamples: number;
}

/** Of the caller's budgets, the one with the least left; undefined where there is none. */
export async function tightestAllowance({ tenancy, usage, now }: Pick<HttpServices, 'tenancy' | 'usage' | 'now'>, caller: Principal): Promise<Allowance | undefined> {
  const nowMs = now();
  const limits = await tenancy.budgets(caller, nowMs);
  const allowances = await Promise.all(
    limits.map(async (limit) => {
      const { spentSamples, reservedSamples } = await usage.balance(limit, nowMs);
      const { period, limitSamples } = limit;
      return { period, limitSamples, spentSamples, reservedSamples, leftSamples: Math.max(0, limitSamples - spentSamples - reservedSamples) };
    }),
  );
  return allowances.sort((a, b) => a.leftSamples - b.leftSamples)[0];
}
