import { join } from 'node:path';
import { newSecret } from './api-keys.ts';
import { keptSecret } from './kept-secret.ts';

/** The operator's key, kept in the data folder; made on the first start. */
export function keptApiKey(dataDir: string): { readonly apiKey: string; readonly path: string } {
  const path = join(dataDir, 'api-key');
  return { apiKey: keptSecret(path, newSecret), path };
}
