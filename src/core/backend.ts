import type { Recognizer, RecognizerPriority, RecognizerSnapshot } from './recognizer.ts';
import type { BackendLetter } from './store/tenants.ts';

/**
 * One model that a tenant can be given now. The dispatcher takes, of those that the tenant's policy allows and that understand the
 * language, the one with the highest rank for the session's priority.
 */
export interface RecognizerOffer {
  /** Name by which a caller may ask for it, and that answers tell: `pocketsphinx-en-us`. Unique within the backend. */
  readonly model: string;
  /** Told the model's name when it admits, so that one recognizer may serve several models. */
  readonly recognizer: Recognizer;
  /** Languages of this model, by ISO 639-1 code. Default: the recognizer's. */
  readonly languages?: readonly string[];
  /**
   * How well it serves each kind of session, against all other offers of the same letter: higher is better, 0 never.
   * PocketSphinx has 10 for both; a model with today's accuracy 50 to 90; what must collect whole segments before it answers has less
   * for `live` than for `batch`.
   */
  readonly rank: Readonly<Record<RecognizerPriority, number>>;
}

/** Before the id of a relay: the name of the tenant's secret that holds its own key for it. */
export const RELAY_SECRET_PREFIX = 'relay-';

/**
 * An engine or relay with all its models. It knows nothing of policies: it says what it has, and the dispatcher decides.
 * It admits what fits and refuses what does not (`Recognizer.admit`); whether it works is judged by its use.
 */
export interface Backend {
  /** Names it in logs and metrics: `pocketsphinx`. Unique. */
  readonly id: string;
  /** `A`: audio stays on machines of the operator. `B`: it goes to somebody else. */
  readonly letter: BackendLetter;
  /** What this tenant can be given now: models that are installed, relays that the tenant has credentials for. Possibly nothing. Never rejects. */
  offers(tenantId: string): Promise<readonly RecognizerOffer[]>;
  /** Of all its recognizers together. */
  snapshot(): RecognizerSnapshot;
  /** Resolves once a session of this priority could be admitted; rejects with `BACKEND_UNAVAILABLE` if that will not be. */
  ready(priority: RecognizerPriority): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}
