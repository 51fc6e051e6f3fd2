import { ManualClock } from '../../core/clock.ts';
import { PERMISSIONS, type Principal } from '../../core/principal.ts';
import type { Store } from '../../core/store.ts';
import { openSqliteStore } from '../../stores/sqlite.ts';
import { DataKey } from '../sealing.ts';
import { createTenancy, type Tenancy, type TenancyOptions } from '../tenancy.ts';

export const OPERATOR_KEY = 'sgk_0123456789abcdef';
export const OPERATOR: Principal = { tenantId: 'default', keyId: 'key_default', permissions: new Set(PERMISSIONS), operator: true };

export interface TestTenancy extends Tenancy {
  readonly store: Store;
  /** Moves the calendar too. */
  readonly clock: ManualClock;
}

/** Everything real, over a store in memory; time moves by hand. */
export async function startTenancy(options: Partial<TenancyOptions> = {}): Promise<TestTenancy> {
  const store = await openSqliteStore(':memory:');
  const clock = new ManualClock();
  const startMs = Date.UTC(2026, 10, 21);
  const tenancy = createTenancy({
    store,
    dataKey: new DataKey(new Uint8Array(32)),
    operatorSecret: OPERATOR_KEY,
    keyless: 'local',
    requestsPerMinute: 1_000_000,
    failedLoginsPerMinute: 1_000_000,
    clock,
    nowMs: () => startMs + clock.nowMs(),
    ...options,
  });
  return { ...tenancy, store, clock };
}
