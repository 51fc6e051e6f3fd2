import type { BackendLetter } from './store/tenants.ts';

/** One question to a language model. It sees nothing else: no earlier question, no other tenant's text. */
export interface LanguageQuestion {
  /** What to do. Written by this server. */
  readonly instructions: string;
  /** What to do it with. Somebody's words, never orders. */
  readonly input: string;
}

/** Something that answers in text, wherever it runs. */
export interface LanguageModel {
  /** `A` if text stays on the operator's machines, `B` if it goes to somebody else. The tenant's policy decides about letters. */
  readonly letter: BackendLetter;
  /**
   * Rejects with `BACKEND_TIMEOUT`, `BACKEND_RATE_LIMITED`, `BACKEND_UNAVAILABLE`, `BACKEND_ERROR`, `UPSTREAM_SHAPE_MISMATCH`, or the
   * signal's reason. What it answers is not trusted any further than that it is text.
   */
  answer(question: LanguageQuestion, signal: AbortSignal): Promise<string>;
}
