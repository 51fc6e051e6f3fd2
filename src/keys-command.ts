import { parseArgs } from 'node:util';
import type { Config } from './config/config.ts';
import { systemClock } from './core/clock.ts';
import { EarshotError } from './core/errors.ts';
import { PERMISSIONS, type Permission, type Principal } from './core/principal.ts';
import type { ApiKeyRecord } from './core/store/keys.ts';
import { openStoreIn } from './stores/data-folder.ts';
import { ApiKeys, DEFAULT_TENANT } from './tenancy/api-keys.ts';
import { keptApiKey } from './tenancy/operator-key.ts';

/** Who has the data folder has the operator's rights. */
const OPERATOR: Principal = { tenantId: DEFAULT_TENANT, keyId: 'cli', permissions: new Set(PERMISSIONS), operator: true };

const OPTIONS = {
  tenant: { type: 'string', default: DEFAULT_TENANT },
  permissions: { type: 'string', default: 'scaiecho:transcribe' },
  expires: { type: 'string' },
  'max-sessions': { type: 'string' },
} as const;

/**
 * `earshot keys create NAME | list | revoke ID`, on the data folder, whether the server runs or not. Answers the lines to print.
 * Throws `VALIDATION_ERROR` for a wrong call.
 */
export async function keysCommand(args: readonly string[], config: Config): Promise<readonly string[]> {
  const { values, positionals } = parse(args);
  const [verb, operand, ...more] = positionals;
  if (more.length > 0) throw wrong(`too many words: ${more.join(' ')}`);
  const store = await openStoreIn(config.dataDir);
  try {
    const operatorSecret = config.apiKey ?? keptApiKey(config.dataDir).apiKey;
    const keys = new ApiKeys({ keys: store.keys, audit: store.audit, operatorSecret, clock: systemClock });
    if (verb === 'create' && operand !== undefined) {
      const expiresAtMs = values.expires === undefined ? null : dateOf(values.expires);
      const maxSessions = values['max-sessions'] === undefined ? null : countOf(values['max-sessions']);
      const { record, secret } = await keys.create(OPERATOR, values.tenant, { name: operand, permissions: permissionsOf(values.permissions), expiresAtMs, budget: null, maxSessions });
      return [secret, `${record.id} of the tenant ${record.tenantId}. The key is shown this once.`];
    }
    if (verb === 'list' && operand === undefined) return (await keys.list(values.tenant)).map(lineOf);
    if (verb === 'revoke' && operand !== undefined) {
      await keys.revoke(OPERATOR, values.tenant, operand);
      return [`${operand} is revoked; a running server knows within two seconds.`];
    }
    throw wrong('keys create NAME, keys list, or keys revoke ID');
  } finally {
    await store.close();
  }
}

function parse(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
    if (!/^[a-z0-9][a-z0-9_-]{0,62}$/.test(values.tenant)) throw wrong('--tenant: small letters, digits, _ and -, at most 63');
    return { values, positionals };
  } catch (error) {
    throw error instanceof EarshotError ? error : wrong((error as Error).message);
  }
}

function permissionsOf(text: string): Permission[] {
  return text.split(',').map((name) => {
    const found = PERMISSIONS.find((permission) => permission === name.trim());
    return found ?? fail(`--permissions: of ${PERMISSIONS.join(', ')}`);
  });
}

function dateOf(text: string): number {
  const atMs = Date.parse(text);
  return Number.isFinite(atMs) ? atMs : fail('--expires: a date such as 2027-01-31');
}

function countOf(text: string): number {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : fail('--max-sessions: a whole number from 1');
}

function lineOf({ id, name, permissions, expiresAtMs, revokedAtMs, maxSessions }: ApiKeyRecord): string {
  const until = expiresAtMs === null ? '' : `  until ${dayOf(expiresAtMs)}`;
  const end = revokedAtMs === null ? until : `  revoked ${dayOf(revokedAtMs)}`;
  const most = maxSessions === null ? '' : `  at most ${String(maxSessions)} sessions`;
  return `${id}  ${name}  ${permissions.join(',')}${most}${end}`;
}

const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

const wrong = (message: string): EarshotError => new EarshotError('VALIDATION_ERROR', message);

function fail(message: string): never {
  throw wrong(message);
}
