import type { AdmissionGuard } from '../core/admission.ts';
import type { Clock } from '../core/clock.ts';
import { EarshotError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { TenantPolicy } from '../core/store/tenants.ts';

export interface SessionLimitsOptions {
  readonly policyOf: (tenantId: string) => Promise<TenantPolicy>;
  /** How many sessions a key may have at a time; null: as many as its tenant. */
  readonly maxSessionsOf: (caller: Principal) => Promise<number | null>;
  readonly clock: Clock;
}

/** A session ends on its own time, so this is only a suggestion. */
const RETRY_AFTER_SECONDS = 5;

/**
 * How many sessions a tenant, a key and a token may have at a time (`RATE_LIMITED`), and how long a token's may be (`SESSION_TOO_LONG`). What works for a job
 * is not counted: jobs wait for their turn, they are not refused.
 */
export function createSessionLimits({ policyOf, maxSessionsOf, clock }: SessionLimitsOptions): AdmissionGuard {
  const open = new Map<string, number>();
  const count = (name: string, change: 1 | -1): void => {
    const sessions = (open.get(name) ?? 0) + change;
    if (sessions > 0) open.set(name, sessions);
    else open.delete(name);
  };

  return async (caller, { transport }) => {
    if (transport === 'job') return () => undefined;
    const { tenantId, keyId, token } = caller;
    const [{ maxConcurrentSessions }, ofKey] = await Promise.all([policyOf(tenantId), maxSessionsOf(caller)]);
    const limits: (readonly [name: string, limit: number | null, whose: string])[] = [
      [`tenant ${tenantId}`, maxConcurrentSessions, 'tenant'],
      [`key ${tenantId}/${keyId}`, ofKey, 'key'],
      ...(token ? [[`token ${token.id}`, token.maxSessions, 'token'] as const] : []),
    ];
    for (const [name, limit, whose] of limits) {
      if (limit === null || (open.get(name) ?? 0) < limit) continue;
      throw new EarshotError('RATE_LIMITED', `The ${whose} has its ${String(limit)} sessions at a time.`, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    for (const [name] of limits) count(name, 1);
    const release = (): void => limits.forEach(([name]) => count(name, -1));

    return (session) => {
      if (!session) {
        release();
        return;
      }
      const seconds = token?.maxSessionSeconds ?? null;
      const cancel =
        seconds === null
          ? undefined
          : clock.setTimer(seconds * 1000, () => void session.fail(new EarshotError('SESSION_TOO_LONG', `The token allows sessions of ${String(seconds)} seconds.`)));
      void session.closed.then(() => {
        cancel?.();
        release();
      });
    };
  };
}
