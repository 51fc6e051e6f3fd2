import type { TenantPolicy } from './store/tenants.ts';

/**
 * The policy of a tenant that was given none. Both backends are allowed, and the self-hosted one is taken: a relay gets audio only if
 * it was set up, and the caller prefers it or nothing self-hosted can take the session.
 */
export const DEFAULT_TENANT_POLICY: TenantPolicy = {
  allowedBackends: 'AB',
  defaultBackend: 'A',
  residency: 'any',
  maxConcurrentSessions: null,
  maxSessionSeconds: null,
  budget: null,
};
