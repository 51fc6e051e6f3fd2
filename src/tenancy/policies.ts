import { EarshotError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { AuditStore } from '../core/store/audit.ts';
import type { TenantPolicy, TenantStore } from '../core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from '../core/tenant-policy.ts';

/** What each tenant may do, and who changed it. A tenant that was given no policy has the default one. */
export class TenantPolicies {
  readonly #tenants: TenantStore;
  readonly #audit: Pick<AuditStore, 'append'>;
  readonly #nowMs: () => number;
  #onChange: (tenantId: string, policy: TenantPolicy) => void = () => undefined;

  constructor(tenants: TenantStore, audit: Pick<AuditStore, 'append'>, nowMs: () => number = Date.now) {
    this.#tenants = tenants;
    this.#audit = audit;
    this.#nowMs = nowMs;
  }

  /** Told of each policy that is written, before its writer is answered. One listener. */
  onChange(listener: (tenantId: string, policy: TenantPolicy) => void): void {
    this.#onChange = listener;
  }

  async of(tenantId: string): Promise<TenantPolicy> {
    return (await this.#tenants.policy(tenantId)) ?? DEFAULT_TENANT_POLICY;
  }

  /** Throws `VALIDATION_ERROR` for a policy that contradicts itself. */
  async set(by: Principal, tenantId: string, policy: TenantPolicy): Promise<void> {
    checkConsistent(policy);
    await this.#tenants.putPolicy(tenantId, policy, this.#nowMs());
    this.#onChange(tenantId, policy);
    const { budget, ...details } = policy;
    await this.#audit.append({
      tenantId,
      keyId: by.keyId,
      atMs: this.#nowMs(),
      action: 'policy.update',
      subject: tenantId,
      details: { ...details, budgetSeconds: budget?.seconds ?? null, budgetPeriod: budget?.period ?? null },
    });
  }
}

function checkConsistent({ allowedBackends, defaultBackend, residency }: TenantPolicy): void {
  if (!allowedBackends.includes(defaultBackend)) throw contradiction('default_backend', `not among the allowed ones, ${allowedBackends}`);
  if (residency === 'self_hosted' && !allowedBackends.includes('A')) throw contradiction('residency', 'self_hosted leaves only A, which is not allowed');
}

function contradiction(field: string, message: string): EarshotError {
  return new EarshotError('VALIDATION_ERROR', `Not accepted: ${field}: ${message}.`, { details: [{ field, message }] });
}
