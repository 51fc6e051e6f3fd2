import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EarshotError } from '../core/errors.ts';
import { PERMISSIONS, type Principal } from '../core/principal.ts';

/** What a request shows of itself. */
export interface Credentials {
  /** The key or token that was sent; undefined: none, empty: something that is none. */
  readonly secret?: string | undefined;
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  /** Address of the client. */
  readonly address?: string | undefined;
}

export interface AccessOptions {
  readonly apiKey: string;
  /** The server listens on loopback only. */
  readonly loopbackOnly: boolean;
}

const LOCAL: Principal = { tenantId: 'default', keyId: 'local', permissions: new Set(PERMISSIONS) };
const KEY_HOLDER: Principal = { ...LOCAL, keyId: 'key_default' };
const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Decides who may use the server. With the API key: anyone. Without: only a server that listens on loopback, asked under
 * a loopback name, by no page or by its own page. A foreign page in the user's browser can reach loopback too, by
 * its address or by a DNS name pointed there, so `Host` and `Origin` are looked at.
 */
export class Access {
  readonly #keyHash: Buffer;
  readonly #loopbackOnly: boolean;

  constructor(options: AccessOptions) {
    this.#keyHash = hash(options.apiKey);
    this.#loopbackOnly = options.loopbackOnly;
  }

  /** Rejects with `AUTH_TOKEN_MISSING` or `AUTH_TOKEN_INVALID`. */
   
  async authenticate(credentials: Credentials): Promise<Principal> {
    const key = credentials.secret;
    if (key === undefined) {
      if (this.#loopbackOnly && isLocalRequest(credentials)) return LOCAL;
      throw new EarshotError('AUTH_TOKEN_MISSING', 'Send the API key as "Authorization: Bearer ..." or as ?token=.');
    }
    // An empty key is nobody's, even where the server has none.
    if (key === '' || !timingSafeEqual(hash(key), this.#keyHash)) throw new EarshotError('AUTH_TOKEN_INVALID', 'Unknown API key.');
    return KEY_HOLDER;
  }
}

/** The key kept in the data folder; made on the first start. */
export function keptApiKey(dataDir: string): { readonly apiKey: string; readonly path: string } {
  const path = join(dataDir, 'api-key');
  mkdirSync(dataDir, { recursive: true });
  const kept = readIfThere(path);
  if (kept !== '') return { apiKey: kept, path };
  const apiKey = `sgk_${randomBytes(24).toString('base64url')}`;
  writeFileSync(path, `${apiKey}\n`, { mode: 0o600 });
  return { apiKey, path };
}

/** Empty where there is no file, or one that a crash cut short. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function isLocalRequest(credentials: Credentials): boolean {
  const host = credentials.host ?? '';
  if (!LOOPBACK_NAMES.has(hostname(host))) return false;
  return credentials.origin === undefined || credentials.origin === `http://${host}` || credentials.origin === `https://${host}`;
}

const hostname = (host: string): string => host.replace(/:\d+$/, '').toLowerCase();

const hash = (key: string): Buffer => createHash('sha256').update(key).digest();
