import { appendFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { FEATURES } from './features.ts';

export type Vendor = keyof typeof FEATURES;
export type FeatureOf<V extends Vendor> = keyof (typeof FEATURES)[V] & string;

type Body = (context: TestContext) => unknown;

/** Environment variable: the file to which a run of tests wants its proofs written. */
export const PROOFS_VARIABLE = 'EARSHOT_PROOFS';

/** The body of a test that, once it passes, has shown that these features of the vendor's are as the table says. */
export function proving<V extends Vendor>(vendor: V, features: readonly FeatureOf<V>[], body: Body): (context: TestContext) => Promise<void> {
  return async (context) => {
    await body(context);
    const file = process.env[PROOFS_VARIABLE];
    if (file !== undefined) appendFileSync(file, features.map((feature) => `${vendor}\t${feature}\n`).join(''));
  };
}
