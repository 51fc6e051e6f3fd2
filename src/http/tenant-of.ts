import { z } from 'zod';
import { EarshotError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';

/** Query of the routes on which the operator may act for any tenant. */
export const tenantQuerySchema = z.object({
  tenant_id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'small letters, digits, _ and -, at most 63')
    .optional()
    .describe('Another tenant than that of the key; for the operator’s key only.'),
});

/** The tenant that is meant. Throws `AUTHZ_PERMISSION_DENIED` if it is another's, and the caller is not the operator. */
export function tenantOf(caller: Principal, { tenant_id: named }: z.output<typeof tenantQuerySchema>): string {
  if (named === undefined || named === caller.tenantId) return caller.tenantId;
  if (caller.operator) return named;
  throw new EarshotError('AUTHZ_PERMISSION_DENIED', 'Only the operator’s key may name another tenant.');
}
