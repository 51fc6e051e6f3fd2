/** What a caller may do. */
export const PERMISSIONS = ['scaiecho:transcribe', 'scaiecho:diarize', 'scaiecho:enroll', 'scaiecho:admin'] as const;

export type Permission = (typeof PERMISSIONS)[number];

/** Who is asking, once let in. */
export interface Principal {
  readonly tenantId: string;
  /** The API key behind the request, also behind a token minted from it; `local` for the page on loopback, which needs none. */
  readonly keyId: string;
  readonly permissions: ReadonlySet<Permission>;
}
