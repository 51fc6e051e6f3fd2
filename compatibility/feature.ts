/** What becomes of one feature of a vendor's protocol here. */
export type Feature =
  | { readonly state: 'works' }
  /** It can be used, and is not quite what the vendor has. */
  | { readonly state: 'differs'; readonly how: string }
  | { readonly state: 'not offered'; readonly why: string };

export const works = { state: 'works' } as const;
export const differs = (how: string) => ({ state: 'differs', how }) as const;
export const notOffered = (why: string) => ({ state: 'not offered', why }) as const;
