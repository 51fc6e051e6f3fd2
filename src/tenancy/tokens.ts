import { hkdfSync, randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { EarshotError } from '../core/errors.ts';
import type { Permission, TokenLimits } from '../core/principal.ts';
import type { ApiKeyRecord } from '../core/store/keys.ts';

/** What tokens can carry. Whoever administers a tenant holds a key. */
export const TOKEN_PERMISSIONS = ['scaiecho:transcribe', 'scaiecho:diarize', 'scaiecho:enroll'] as const satisfies readonly Permission[];

export interface NewToken extends Omit<TokenLimits, 'id'> {
  readonly permissions: readonly Permission[];
  readonly ttlSeconds: number;
}

export interface MintedToken {
  readonly token: string;
  readonly id: string;
  readonly permissions: readonly Permission[];
  readonly expiresAtMs: number;
}

/** What a good token says. */
export interface TokenClaims {
  readonly key: ApiKeyRecord;
  readonly permissions: readonly Permission[];
  readonly limits: TokenLimits;
}

const ISSUER = 'earshot';
const ALGORITHM = 'HS256';

/**
 * Short-lived stand-ins for a key, for browsers (JWT, RFC 7519, HS256). Nothing of them is kept. Each is signed with a secret made of the server's
 * and of the hash of its key, and the key is looked up whenever one is shown: a key that is revoked, expired or replaced ends its tokens.
 */
export class Tokens {
  readonly #secret: Uint8Array;
  readonly #nowMs: () => number;

  constructor(secret: Uint8Array, nowMs: () => number = Date.now) {
    this.#secret = secret;
    this.#nowMs = nowMs;
  }

  /** Throws `AUTHZ_PERMISSION_DENIED` for permissions that the key has not. */
  async mint(key: ApiKeyRecord, wish: NewToken): Promise<MintedToken> {
    const excess = wish.permissions.filter((permission) => !key.permissions.includes(permission));
    if (excess.length > 0) throw new EarshotError('AUTHZ_PERMISSION_DENIED', `The key has not ${excess.join(', ')}.`);
    const id = `tok_${randomUUID()}`;
    const nowMs = this.#nowMs();
    const expiresAtMs = Math.min(nowMs + wish.ttlSeconds * 1000, key.expiresAtMs ?? Infinity);
    const permissions = [...new Set(wish.permissions)];
    const token = await new SignJWT({ scope: permissions.join(' '), max_sessions: wish.maxSessions, max_session_seconds: wish.maxSessionSeconds, session: wish.sessionId, name: wish.name })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid: `${key.tenantId}/${key.id}` })
      .setIssuer(ISSUER)
      .setJti(id)
      .setIssuedAt(Math.floor(nowMs / 1000))
      .setExpirationTime(Math.floor(expiresAtMs / 1000))
      .sign(this.#secretOf(key));
    return { token, id, permissions, expiresAtMs: Math.floor(expiresAtMs / 1000) * 1000 };
  }

  /** Throws `SESSION_EXPIRED`, `AUTH_TOKEN_INVALID`, and what `findKey` throws. */
  async verify(token: string, findKey: (tenantId: string, keyId: string) => Promise<ApiKeyRecord>): Promise<TokenClaims> {
    let key: ApiKeyRecord | undefined;
    const secretOf = async ({ kid = '' }: { readonly kid?: string | undefined }): Promise<Uint8Array> => {
      const [tenantId = '', keyId = ''] = kid.split('/');
      key = await findKey(tenantId, keyId);
      return this.#secretOf(key);
    };
    try {
      const { payload } = await jwtVerify(token, secretOf, { algorithms: [ALGORITHM], issuer: ISSUER, currentDate: new Date(this.#nowMs()), requiredClaims: ['exp', 'jti'] });
      const scope = typeof payload['scope'] === 'string' ? payload['scope'].split(' ') : [];
      const permissions = key?.permissions.filter((permission) => scope.includes(permission)) ?? [];
      const { session: sessionId, name } = payload;
      const limits = { id: payload.jti ?? '', maxSessions: numberOr(payload['max_sessions']), maxSessionSeconds: numberOr(payload['max_session_seconds']), ...(typeof sessionId === 'string' && { sessionId }), ...(typeof name === 'string' && { name }) };
      if (key) return { key, permissions, limits };
    } catch (error) {
      if (error instanceof EarshotError) throw error;
      if (error instanceof errors.JWTExpired) throw new EarshotError('SESSION_EXPIRED', 'The token is past its expiry.', { cause: error });
      if (!(error instanceof errors.JOSEError)) throw error;
    }
    throw new EarshotError('AUTH_TOKEN_INVALID', 'Not a token of this server.');
  }

  #secretOf(key: ApiKeyRecord): Uint8Array {
    return new Uint8Array(hkdfSync('sha256', this.#secret, Buffer.from(key.secretHash, 'hex'), 'earshot token', 32));
  }
}

/** Three parts with dots between, the first of them JSON in base64url. */
export const looksLikeToken = (secret: string): boolean => /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/.test(secret);

const numberOr = (value: unknown): number | null => (typeof value === 'number' ? value : null);