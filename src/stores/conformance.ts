import test, { afterEach, beforeEach, describe } from 'node:test';
import type { Store } from '../core/store.ts';
import type { StoreCheck } from './testing/check.ts';
import { jobChecks } from './testing/job-checks.ts';
import { liveChecks } from './testing/live-checks.ts';
import { recordChecks } from './testing/record-checks.ts';
import { usageChecks } from './testing/usage-checks.ts';
import { webhookChecks } from './testing/webhook-checks.ts';

/** What every store must do, whatever keeps its records. */
export const storeChecks: readonly StoreCheck[] = [
  ...recordChecks,
  ...jobChecks,
  ...liveChecks,
  ...usageChecks,
  ...webhookChecks,
  {
    name: 'closing twice is closing once',
    run: async (store) => {
      await Promise.all([store.close(), store.close()]);
      await store.close();
    },
  },
];

/** A store that can be closed and opened again over what it kept. */
export interface StoreSubject {
  readonly open: () => Promise<Store>;
  /** Forgets everything. */
  readonly dispose: () => Promise<void>;
}

/** One check over a new store. */
export async function runStoreCheck(check: StoreCheck, { open }: StoreSubject): Promise<void> {
  let store = await open();
  try {
    await check.run(store, async () => {
      await store.close();
      return (store = await open());
    });
  } finally {
    await store.close();
  }
}

/** Runs every check, each on a store of its own. */
export function storeConformance(name: string, make: () => Promise<StoreSubject>): void {
  describe(`${name} keeps the contract of stores`, () => {
    let subject: StoreSubject;
    beforeEach(async () => {
      subject = await make();
    });
    afterEach(() => subject.dispose());
    for (const check of storeChecks) test(check.name, () => runStoreCheck(check, subject));
  });
}
