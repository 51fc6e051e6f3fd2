import type { Sealer } from '../core/sealer.ts';
import type { TenantStore } from '../core/store/tenants.ts';
import { createWebhookSecret } from './callback-signature.ts';

/** Its name among the secrets of a tenant, who may put one of its own there. */
export const WEBHOOK_SECRET = 'webhook';

/** The secret of each tenant that signs its callbacks, sealed in the store. */
export class WebhookSecrets {
  readonly #store: Pick<TenantStore, 'secret' | 'putSecret'>;
  readonly #sealer: Sealer;
  /** By tenant: two callers at once must not make two secrets. */
  readonly #making = new Map<string, Promise<string>>();

  constructor(store: Pick<TenantStore, 'secret' | 'putSecret'>, sealer: Sealer) {
    this.#store = store;
    this.#sealer = sealer;
  }

  /** Made when it is asked for the first time. */
  async get(tenantId: string): Promise<string> {
    const sealed = await this.#store.secret(tenantId, WEBHOOK_SECRET);
    if (sealed) return Buffer.from(this.#sealer.open(sealed, contextOf(tenantId))).toString();
    const making = this.#making.get(tenantId) ?? this.rotate(tenantId).finally(() => this.#making.delete(tenantId));
    this.#making.set(tenantId, making);
    return making;
  }

  /** A new secret; callbacks are signed with it from now on, those that wait included. */
  async rotate(tenantId: string): Promise<string> {
    const secret = createWebhookSecret();
    await this.#store.putSecret(tenantId, WEBHOOK_SECRET, this.#sealer.seal(Buffer.from(secret), contextOf(tenantId)));
    return secret;
  }
}

const contextOf = (tenantId: string): string => `secret ${tenantId}/${WEBHOOK_SECRET}`;
