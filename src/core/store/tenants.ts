/** `A` is self-hosted, `B` a managed relay; with two letters the second takes over where the first is unavailable. */
export type AllowedBackends = 'A' | 'B' | 'AB' | 'BA';
export type BackendLetter = 'A' | 'B';

export interface TenantPolicy {
  readonly allowedBackends: AllowedBackends;
  readonly defaultBackend: BackendLetter;
  /** `self_hosted`: no audio and no text ever leaves backend A, whatever the other fields say. */
  readonly residency: 'any' | 'self_hosted';
  /** Sessions at a time; null: no limit but the server's. */
  readonly maxConcurrentSessions: number | null;
  /** Longest session in seconds; null: the server's. */
  readonly maxSessionSeconds: number | null;
  /** Audio seconds per period; null: no budget. */
  readonly budget: Budget | null;
}

export interface Budget {
  readonly seconds: number;
  readonly period: 'day' | 'month';
}

export interface TenantStore {
  /** Undefined until it was put once. */
  policy(tenantId: string): Promise<TenantPolicy | undefined>;
  putPolicy(tenantId: string, policy: TenantPolicy, atMs: number): Promise<void>;
  /** A secret of the tenant, sealed by the caller: credentials of a relay, a webhook's key. Null removes it. */
  putSecret(tenantId: string, name: string, sealed: Uint8Array | null): Promise<void>;
  secret(tenantId: string, name: string): Promise<Uint8Array | undefined>;
  secretNames(tenantId: string): Promise<readonly string[]>;
}
