import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { EarshotError } from '../core/errors.ts';
import { PERMISSIONS, type Permission, type Principal } from '../core/principal.ts';
import type { AuditStore } from '../core/store/audit.ts';
import type { ApiKeyRecord, KeyStore } from '../core/store/keys.ts';
import type { Budget } from '../core/store/tenants.ts';

export const DEFAULT_TENANT = 'default';

export interface ApiKeysOptions {
  readonly keys: KeyStore;
  readonly audit: Pick<AuditStore, 'append'>;
  readonly clock: Clock;
  /** The key made on the first start, or set by `EARSHOT_API_KEY`: that of the server's operator. */
  readonly operatorSecret: string;
  /** The time by the calendar. Default: the system's. */
  readonly nowMs?: () => number;
}

export interface NewKey {
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly expiresAtMs: number | null;
  readonly budget: Budget | null;
  /** Sessions at a time. Default: as many as the tenant may have. */
  readonly maxSessions?: number | null;
}

/** How long a key found in the store is believed: another process revokes within this time, this one at once. */
const CACHE_MS = 2000;
const MAX_CACHED = 10_000;

/** The API keys: made, listed, revoked and looked up. A secret is 192 random bits, so its plain SHA-256 is all that is kept. */
export class ApiKeys {
  /** Not in the store: all permissions of the default tenant, and the right to act for others. */
  readonly operator: ApiKeyRecord;
  readonly #options: ApiKeysOptions;
  readonly #nowMs: () => number;
  #cache = new Map<string, { readonly record: ApiKeyRecord; readonly untilMs: number }>();

  constructor(options: ApiKeysOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    this.operator = {
      id: 'key_default',
      tenantId: DEFAULT_TENANT,
      name: 'operator',
      secretHash: hashOf(options.operatorSecret),
      permissions: PERMISSIONS,
      createdAtMs: 0,
      expiresAtMs: null,
      revokedAtMs: null,
      budget: null,
      maxSessions: null,
    };
  }

  /** The secret is in this answer and nowhere else. Throws `AUTHZ_PERMISSION_DENIED` for permissions that the maker has not. */
  async create(by: Principal, tenantId: string, wish: NewKey): Promise<{ readonly record: ApiKeyRecord; readonly secret: string }> {
    const excess = wish.permissions.filter((permission) => !by.permissions.has(permission));
    if (excess.length > 0) throw new EarshotError('AUTHZ_PERMISSION_DENIED', `Nobody gives what they have not: ${excess.join(', ')}.`);
    const secret = newSecret();
    const record: ApiKeyRecord = {
      id: `key_${randomUUID()}`,
      tenantId,
      name: wish.name,
      secretHash: hashOf(secret),
      permissions: [...new Set(wish.permissions)],
      createdAtMs: this.#nowMs(),
      expiresAtMs: wish.expiresAtMs,
      revokedAtMs: null,
      budget: wish.budget,
      maxSessions: wish.maxSessions ?? null,
    };
    await this.#options.keys.add(record);
    await this.#tell(by, tenantId, 'key.create', record.id, { name: record.name, permissions: record.permissions.join(' ') });
    return { record, secret };
  }

  list(tenantId: string): Promise<readonly ApiKeyRecord[]> {
    return this.#options.keys.list(tenantId);
  }

  /** Ends the key and its tokens, at once on this node. Throws `NOT_FOUND`. */
  async revoke(by: Principal, tenantId: string, id: string): Promise<void> {
    const found = await this.#options.keys.revoke(tenantId, id, this.#nowMs());
    // A new one: what is being looked up at this moment goes into the old.
    this.#cache = new Map();
    if (!found) throw new EarshotError('NOT_FOUND', 'No such key.');
    await this.#tell(by, tenantId, 'key.revoke', id, {});
  }

  /** Throws `AUTH_TOKEN_INVALID` for an unknown or revoked key, `SESSION_EXPIRED` for one past its time. */
  async bySecret(secret: string): Promise<ApiKeyRecord> {
    const secretHash = hashOf(secret);
    // An empty secret is nobody's, even where the operator's is empty.
    if (secret !== '' && timingSafeEqual(Buffer.from(secretHash), Buffer.from(this.operator.secretHash))) return this.operator;
    return this.#valid(await this.#cached(secretHash, () => this.#options.keys.bySecretHash(secretHash)));
  }

  /** As `bySecret`. */
  async byId(tenantId: string, id: string): Promise<ApiKeyRecord> {
    if (tenantId === this.operator.tenantId && id === this.operator.id) return this.operator;
    return this.#valid(await this.#cached(`${tenantId}/${id}`, () => this.#options.keys.get(tenantId, id)));
  }

  #valid(record: ApiKeyRecord | undefined): ApiKeyRecord {
    if (record?.revokedAtMs !== null) throw new EarshotError('AUTH_TOKEN_INVALID', 'Unknown API key.');
    if (record.expiresAtMs !== null && record.expiresAtMs <= this.#nowMs()) throw new EarshotError('SESSION_EXPIRED', 'The API key is past its expiry.');
    return record;
  }

  async #cached(name: string, find: () => Promise<ApiKeyRecord | undefined>): Promise<ApiKeyRecord | undefined> {
    const cache = this.#cache;
    const nowMs = this.#options.clock.nowMs();
    const cached = cache.get(name);
    if (nowMs < (cached?.untilMs ?? 0)) return cached?.record;
    cache.delete(name);
    const record = await find();
    // What is not there is not remembered: a key works as soon as it is made.
    if (record) cache.set(name, { record, untilMs: nowMs + CACHE_MS });
    const [oldest] = cache.keys();
    if (cache.size > MAX_CACHED && oldest !== undefined) cache.delete(oldest);
    return record;
  }

  async #tell(by: Principal, tenantId: string, action: string, subject: string, details: Readonly<Record<string, string>>): Promise<void> {
    await this.#options.audit.append({ tenantId, keyId: by.keyId, atMs: this.#nowMs(), action, subject, details });
  }
}

export const newSecret = (): string => `sgk_${randomBytes(24).toString('base64url')}`;

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');
