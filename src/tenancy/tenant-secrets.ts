import { EarshotError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Sealer } from '../core/sealer.ts';
import type { AuditStore } from '../core/store/audit.ts';
import type { TenantStore } from '../core/store/tenants.ts';

const MAX_SECRETS = 100;

/** What a tenant entrusts to the server: credentials of relays, keys of webhooks. Sealed before it is stored, and never shown again. */
export class TenantSecrets {
  readonly #tenants: TenantStore;
  readonly #sealer: Sealer;
  readonly #audit: Pick<AuditStore, 'append'>;
  readonly #nowMs: () => number;

  constructor(tenants: TenantStore, sealer: Sealer, audit: Pick<AuditStore, 'append'>, nowMs: () => number = Date.now) {
    this.#tenants = tenants;
    this.#sealer = sealer;
    this.#audit = audit;
    this.#nowMs = nowMs;
  }

  names(tenantId: string): Promise<readonly string[]> {
    return this.#tenants.secretNames(tenantId);
  }

  /** Undefined where there is none. Throws `STORE_UNAVAILABLE` if it was sealed with a data key that is lost. */
  async read(tenantId: string, name: string): Promise<string | undefined> {
    const sealed = await this.#tenants.secret(tenantId, name);
    return sealed && Buffer.from(this.#sealer.open(sealed, contextOf(tenantId, name))).toString('utf8');
  }

  /** Throws `QUOTA_EXCEEDED` over 100 names. */
  async put(by: Principal, tenantId: string, name: string, value: string): Promise<void> {
    const names = await this.names(tenantId);
    if (names.length >= MAX_SECRETS && !names.includes(name)) throw new EarshotError('QUOTA_EXCEEDED', `A tenant has at most ${String(MAX_SECRETS)} secrets.`);
    await this.#tenants.putSecret(tenantId, name, this.#sealer.seal(Buffer.from(value), contextOf(tenantId, name)));
    await this.#tell(by, tenantId, 'secret.put', name);
  }

  /** Throws `NOT_FOUND`. */
  async remove(by: Principal, tenantId: string, name: string): Promise<void> {
    if (!(await this.names(tenantId)).includes(name)) throw new EarshotError('NOT_FOUND', 'No such secret.');
    await this.#tenants.putSecret(tenantId, name, null);
    await this.#tell(by, tenantId, 'secret.delete', name);
  }

  async #tell(by: Principal, tenantId: string, action: string, subject: string): Promise<void> {
    await this.#audit.append({ tenantId, keyId: by.keyId, atMs: this.#nowMs(), action, subject, details: {} });
  }
}

const contextOf = (tenantId: string, name: string): string => `secret ${tenantId}/${name}`;
