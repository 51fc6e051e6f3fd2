import { isIPv6 } from 'node:net';
import { EarshotError } from '../core/errors.ts';
import { PERMISSIONS, type Permission, type Principal } from '../core/principal.ts';
import type { ApiKeyRecord } from '../core/store/keys.ts';
import { type ApiKeys, DEFAULT_TENANT } from './api-keys.ts';
import type { RateLimit } from './rate-limit.ts';
import { looksLikeToken, type Tokens } from './tokens.ts';

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
  readonly keys: ApiKeys;
  readonly tokens: Tokens;
  /** Who needs no key: nobody, requests from this machine to a server that listens on loopback only, or everybody. */
  readonly keyless: 'nobody' | 'local' | 'everybody';
  /** Requests by key. */
  readonly requests: RateLimit;
  /** Wrong keys and tokens by client address. */
  readonly failedLogins: RateLimit;
}

const LOCAL: Principal = { tenantId: DEFAULT_TENANT, keyId: 'local', permissions: new Set(PERMISSIONS) };
/** Whoever comes along may transcribe. What is kept, and who else may what, is not theirs to say. */
const ANYBODY: Principal = { tenantId: DEFAULT_TENANT, keyId: 'anybody', permissions: new Set<Permission>(['scaiecho:transcribe', 'scaiecho:diarize']) };
const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Decides who may use the server. With a key or a token: who it was given to. Without: as `keyless` says. A foreign page in the user's
 * browser can reach loopback too, by its address or by a DNS name pointed there, so `local` looks at `Host` and `Origin`.
 */
export class Access {
  readonly #options: AccessOptions;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** Rejects with `AUTH_TOKEN_MISSING`, `AUTH_TOKEN_INVALID`, `SESSION_EXPIRED` or `RATE_LIMITED`. */
  async authenticate(credentials: Credentials): Promise<Principal> {
    const caller = credentials.secret === undefined ? this.#withoutKey(credentials) : await this.#withSecret(credentials.secret, credentials.address ?? '');
    this.#options.requests.take(`${caller.tenantId}/${spender(caller)}`, 'Too many requests with this key.');
    return caller;
  }

  #withoutKey(credentials: Credentials): Principal {
    const { keyless } = this.#options;
    if (keyless === 'everybody') return ANYBODY;
    if (keyless === 'local' && isLocalRequest(credentials)) return LOCAL;
    throw new EarshotError('AUTH_TOKEN_MISSING', 'Send an API key as "Authorization: Bearer ..." or as ?token=.');
  }

  /** Who guesses is stopped before the guess is looked at: from an address with too many failures even a right key waits. */
  async #withSecret(secret: string, address: string): Promise<Principal> {
    const { keys, tokens, failedLogins } = this.#options;
    const network = networkOf(address);
    failedLogins.check(network, 'Too many wrong keys from this address.');
    try {
      if (!looksLikeToken(secret)) return this.#principal(await keys.bySecret(secret));
      const { key, permissions, limits } = await tokens.verify(secret, (tenantId, keyId) => keys.byId(tenantId, keyId));
      return { tenantId: key.tenantId, keyId: key.id, permissions: new Set(permissions), token: limits };
    } catch (error) {
      if (error instanceof EarshotError && error.code === 'AUTH_TOKEN_INVALID') failedLogins.spend(network);
      throw error;
    }
  }

  #principal(key: ApiKeyRecord): Principal {
    const { operator } = this.#options.keys;
    return { tenantId: key.tenantId, keyId: key.id, permissions: new Set(key.permissions), ...(key === operator && { operator: true }) };
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

/** Whose requests are counted together. The crowd behind a share link uses up its own, not its owner's. */
const spender = ({ keyId, token }: Principal): string => (token?.sessionId === undefined ? keyId : token.id);

/** An IPv4 address, or the first 64 bits of an IPv6 address: one subscriber has all the rest. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.split('::');
  const first = head.split(':').filter((group) => group !== '');
  const last = tail === undefined ? [] : tail.split(':');
  const zeros = Array.from({ length: tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length) }, () => '0');
  return [...first, ...zeros, ...last].slice(0, 4).join(':');
}

const hostname = (host: string): string => host.replace(/:\d+$/, '').toLowerCase();
