import type { Store } from '../../core/store.ts';

/** One thing that every store must do. */
export interface StoreCheck {
  readonly name: string;
  /** `reopen` closes the store and opens it again over what it kept. */
  readonly run: (store: Store, reopen: () => Promise<Store>) => Promise<void>;
}
