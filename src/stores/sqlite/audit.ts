import type { AuditRecord, AuditStore } from '../../core/store/audit.ts';
import type { Database } from './database.ts';
import { pageStart, toPage } from './pages.ts';

type AuditRow = Omit<AuditRecord, 'details'> & { readonly number: number; readonly details: string };

export function auditStore(database: Database): AuditStore {
  return {
    async append({ tenantId, keyId, atMs, action, subject, details }) {
      database.insert('audit', { tenantId, keyId, atMs, action, subject, details: JSON.stringify(details) });
    },
    // In the order of writing: clocks may go back.
    async list(tenantId, page) {
      const { afterAtMs: beforeNumber, limitAndOne } = pageStart(page);
      const rows = database.all<AuditRow>('SELECT * FROM audit WHERE tenantId = :tenantId AND number < :beforeNumber ORDER BY number DESC LIMIT :limitAndOne', {
        tenantId,
        beforeNumber,
        limitAndOne,
      });
      return toPage(rows, page.limit, toAudit, ({ number }) => ({ afterAtMs: number, afterId: '' }));
    },
  };
}

function toAudit({ tenantId, keyId, atMs, action, subject, details }: AuditRow): AuditRecord {
  return { tenantId, keyId, atMs, action, subject, details: JSON.parse(details) as AuditRecord['details'] };
}
