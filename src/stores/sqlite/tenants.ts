import type { TenantPolicy, TenantStore } from '../../core/store/tenants.ts';
import type { Database } from './database.ts';

export function tenantStore(database: Database): TenantStore {
  return {
    async policy(tenantId) {
      const row = database.get<{ policy: string }>('SELECT policy FROM policies WHERE tenantId = :tenantId', { tenantId });
      return row && (JSON.parse(row.policy) as TenantPolicy);
    },
    async putPolicy(tenantId, policy, atMs) {
      database.run(
        'INSERT INTO policies VALUES (:tenantId, :policy, :atMs) ON CONFLICT DO UPDATE SET policy = excluded.policy, updatedAtMs = excluded.updatedAtMs',
        { tenantId, policy: JSON.stringify(policy), atMs },
      );
    },
    async putSecret(tenantId, name, sealed) {
      if (sealed) {
        database.run('INSERT INTO secrets VALUES (:tenantId, :name, :sealed) ON CONFLICT DO UPDATE SET sealed = excluded.sealed', { tenantId, name, sealed });
      } else {
        database.run('DELETE FROM secrets WHERE tenantId = :tenantId AND name = :name', { tenantId, name });
      }
    },
    async secret(tenantId, name) {
      return database.get<{ sealed: Uint8Array }>('SELECT sealed FROM secrets WHERE tenantId = :tenantId AND name = :name', { tenantId, name })?.sealed;
    },
    async secretNames(tenantId) {
      return database.all<{ name: string }>('SELECT name FROM secrets WHERE tenantId = :tenantId ORDER BY name', { tenantId }).map(({ name }) => name);
    },
  };
}
