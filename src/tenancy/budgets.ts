import type { Principal } from '../core/principal.ts';
import type { Store } from '../core/store.ts';
import type { BudgetLimit } from '../core/store/usage.ts';
import { budgetLimit } from './budget-tab.ts';

/** The budgets that a caller's sessions draw on, in the period of `atMs`: of the tenant and of the key; none where none is set. */
export async function budgetsOf({ tenants, keys }: Pick<Store, 'tenants' | 'keys'>, { tenantId, keyId }: Principal, atMs: number): Promise<readonly BudgetLimit[]> {
  const [policy, key] = await Promise.all([tenants.policy(tenantId), keys.get(tenantId, keyId)]);
  const limits: BudgetLimit[] = [];
  if (policy?.budget) limits.push(budgetLimit('tenant', tenantId, policy.budget, atMs));
  if (key?.budget) limits.push(budgetLimit('key', keyId, key.budget, atMs));
  return limits;
}
