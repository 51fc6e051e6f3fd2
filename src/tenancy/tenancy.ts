import type { AdmissionGuard } from '../core/admission.ts';
import type { Clock } from '../core/clock.ts';
import type { Principal } from '../core/principal.ts';
import type { Sealer } from '../core/sealer.ts';
import type { Store } from '../core/store.ts';
import type { BudgetLimit } from '../core/store/usage.ts';
import { Access, type AccessOptions } from './access.ts';
import { ApiKeys } from './api-keys.ts';
import { budgetsOf } from './budgets.ts';
import { TenantPolicies } from './policies.ts';
import { RateLimit } from './rate-limit.ts';
import type { DataKey } from './sealing.ts';
import { createSessionLimits } from './session-limits.ts';
import { TenantSecrets } from './tenant-secrets.ts';
import { Tokens } from './tokens.ts';

export interface TenancyOptions {
  readonly store: Pick<Store, 'keys' | 'tenants' | 'audit'>;
  readonly dataKey: DataKey;
  /** The key made on the first start, or set by `EARSHOT_API_KEY`. */
  readonly operatorSecret: string;
  readonly keyless: AccessOptions['keyless'];
  readonly requestsPerMinute: number;
  readonly failedLoginsPerMinute: number;
  readonly clock: Clock;
  /** The time by the calendar. Default: the system's. */
  readonly nowMs?: () => number;
}

/** Who may ask for what. */
export interface Tenancy {
  readonly access: Access;
  readonly keys: ApiKeys;
  readonly tokens: Tokens;
  readonly policies: TenantPolicies;
  readonly secrets: TenantSecrets;
  readonly sessionLimits: AdmissionGuard;
  readonly budgets: (caller: Principal, atMs: number) => Promise<readonly BudgetLimit[]>;
}

/** Of all that tenants may entrust to the server by name, the key that signs their callbacks among it. */
export const tenantSecretsSealer = (dataKey: DataKey): Sealer => dataKey.sealer('tenant secrets');

export function createTenancy({ store, dataKey, clock, nowMs = Date.now, ...options }: TenancyOptions): Tenancy {
  const keys = new ApiKeys({ keys: store.keys, audit: store.audit, operatorSecret: options.operatorSecret, clock, nowMs });
  const tokens = new Tokens(dataKey.derive('tokens'), nowMs);
  const policies = new TenantPolicies(store.tenants, store.audit, nowMs);
  return {
    access: new Access({
      keys,
      tokens,
      keyless: options.keyless,
      requests: new RateLimit({ clock, perMinute: options.requestsPerMinute }),
      failedLogins: new RateLimit({ clock, perMinute: options.failedLoginsPerMinute }),
    }),
    keys,
    tokens,
    policies,
    secrets: new TenantSecrets(store.tenants, tenantSecretsSealer(dataKey), store.audit, nowMs),
    sessionLimits: createSessionLimits({
      policyOf: (tenantId) => policies.of(tenantId),
      maxSessionsOf: async ({ tenantId, keyId }) => (await store.keys.get(tenantId, keyId))?.maxSessions ?? null,
      clock,
    }),
    budgets: (caller, atMs) => budgetsOf(store, caller, atMs),
  };
}
