import type { Permission } from '../principal.ts';
import type { Budget } from './tenants.ts';

export interface ApiKeyRecord {
  /** `key_...`, shown in lists and logs. */
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  /** SHA-256 of the secret, hexadecimal. The secret itself is kept nowhere. */
  readonly secretHash: string;
  readonly permissions: readonly Permission[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
  /** Audio seconds that this key may use per period, within its tenant's budget. */
  readonly budget: Budget | null;
  /** Sessions at a time, those of its tokens included; null: as many as the tenant may have. */
  readonly maxSessions: number | null;
}

export interface KeyStore {
  /** Throws `SLUG_CONFLICT` if the id or the hash is taken. */
  add(key: ApiKeyRecord): Promise<void>;
  bySecretHash(secretHash: string): Promise<ApiKeyRecord | undefined>;
  get(tenantId: string, id: string): Promise<ApiKeyRecord | undefined>;
  list(tenantId: string): Promise<readonly ApiKeyRecord[]>;
  /** False if there is no such key. A key revoked before keeps its first time. */
  revoke(tenantId: string, id: string, atMs: number): Promise<boolean>;
}
