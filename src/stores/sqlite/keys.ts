import type { Permission } from '../../core/principal.ts';
import type { ApiKeyRecord, KeyStore } from '../../core/store/keys.ts';
import type { Budget } from '../../core/store/tenants.ts';
import type { Database } from './database.ts';

type KeyRow = Omit<ApiKeyRecord, 'permissions' | 'budget'> & { readonly permissions: string; readonly budget: string | null };

export function keyStore(database: Database): KeyStore {
  return {
    async add(key) {
      database.insert('keys', { ...key, permissions: JSON.stringify(key.permissions), budget: key.budget && JSON.stringify(key.budget) });
    },
    async bySecretHash(secretHash) {
      return found(database.get<KeyRow>('SELECT * FROM keys WHERE secretHash = :secretHash', { secretHash }));
    },
    async get(tenantId, id) {
      return found(database.get<KeyRow>('SELECT * FROM keys WHERE id = :id AND tenantId = :tenantId', { tenantId, id }));
    },
    async list(tenantId) {
      return database.all<KeyRow>('SELECT * FROM keys WHERE tenantId = :tenantId ORDER BY createdAtMs DESC, id DESC', { tenantId }).map(toKey);
    },
    async revoke(tenantId, id, atMs) {
      return database.run('UPDATE keys SET revokedAtMs = coalesce(revokedAtMs, :atMs) WHERE id = :id AND tenantId = :tenantId', { tenantId, id, atMs }) > 0;
    },
  };
}

const found = (row: KeyRow | undefined): ApiKeyRecord | undefined => row && toKey(row);

const toKey = (row: KeyRow): ApiKeyRecord => ({
  ...row,
  permissions: JSON.parse(row.permissions) as Permission[],
  budget: row.budget === null ? null : (JSON.parse(row.budget) as Budget),
});
