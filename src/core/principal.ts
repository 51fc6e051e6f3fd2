/** What a caller may do. */
export const PERMISSIONS = ['scaiecho:transcribe', 'scaiecho:diarize', 'scaiecho:enroll', 'scaiecho:admin'] as const;

export type Permission = (typeof PERMISSIONS)[number];

/** Who is asking, once let in. */
export interface Principal {
  readonly tenantId: string;
  /** The API key behind the request, also behind a token minted from it; `local` for the page on loopback, which needs none. */
  readonly keyId: string;
  readonly permissions: ReadonlySet<Permission>;
  /** Holds the key of the server's operator, who alone may act for other tenants. */
  readonly operator?: true;
  /** There if the caller shows a token and not the key itself. */
  readonly token?: TokenLimits;
}

/** What a token allows its holder beyond its permissions. */
export interface TokenLimits {
  /** `tok_...` */
  readonly id: string;
  /** Sessions at a time; null: as many as the tenant may have. */
  readonly maxSessions: number | null;
  /** Longest session; null: the tenant's limit. */
  readonly maxSessionSeconds: number | null;
  /** There if the token is for nothing but reading this one session. It has no permissions then. */
  readonly sessionId?: string;
  /** Who holds it, for those who read what is said. */
  readonly name?: string;
}
