import type { Page, PageRequest } from './page.ts';

/** Who did what to what. Append-only. */
export interface AuditRecord {
  readonly tenantId: string;
  readonly keyId: string;
  readonly atMs: number;
  /** `key.create`, `policy.update`, `speaker.erase`, ... */
  readonly action: string;
  readonly subject: string;
  /** Never secrets, text or audio. */
  readonly details: Readonly<Record<string, string | number | boolean | null>>;
}

export interface AuditStore {
  append(record: AuditRecord): Promise<void>;
  list(tenantId: string, page: PageRequest): Promise<Page<AuditRecord>>;
}
