import type { SessionWish } from '../core/admission.ts';
import type { RecognizerOffer } from '../core/backend.ts';
import { EarshotError } from '../core/errors.ts';
import type { AllowedBackends, BackendLetter, TenantPolicy } from '../core/store/tenants.ts';

/** An offer with whose it is, and whether it may be tried now. */
export interface Candidate extends RecognizerOffer {
  /** Id of the backend. */
  readonly backend: string;
  readonly letter: BackendLetter;
  /** Absent: it is up. Else seconds until it is worth another try. */
  readonly downForSeconds?: number;
}

/** What decides about the backend. */
export type DispatchWish = Pick<SessionWish, 'priority' | 'backendPreference' | 'language' | 'model'>;

export type Resolution =
  /** In the order in which to try them. */
  | { readonly type: 'candidates'; readonly candidates: readonly Candidate[] }
  | { readonly type: 'refused'; readonly error: EarshotError };

/** Who says no language is ranked as if it were this one: what understands nothing else comes last. */
const DEFAULT_LANGUAGE = 'en';

const LETTERS: Readonly<Record<AllowedBackends, readonly BackendLetter[]>> = { A: ['A'], B: ['B'], AB: ['A', 'B'], BA: ['B', 'A'] };
const PREFERRED: Readonly<Record<string, BackendLetter>> = { prefer_self_hosted: 'A', prefer_relay: 'B' };

/**
 * Which recognizers may serve a session, best first. Pure, and the same for every transport.
 *
 * The policy has the last word: letters that it does not allow are never tried, `residency: self_hosted` leaves only `A` whatever else it
 * says, and a preference outside of it is overridden, not an error. Of two allowed letters the preferred one comes first, without a
 * preference the default one; the other takes over where the first has nothing that is up.
 *
 * Refuses with `AUTHZ_PERMISSION_DENIED` (the policy allows nothing, or not this model), `MODEL_NOT_FOUND`, `VALIDATION_ERROR` (a
 * language that nobody allowed understands) and `BACKEND_UNAVAILABLE` (with `retryAfterSeconds` where something is only down).
 */
export function resolve(policy: TenantPolicy, wish: DispatchWish, offered: readonly Candidate[]): Resolution {
  const letters = lettersInOrder(policy, wish);
  if (letters.length === 0) return refused('AUTHZ_PERMISSION_DENIED', 'The tenant policy allows no backend: what it allows is not self-hosted.');
  const allowed = offered.filter((offer) => letters.includes(offer.letter) && offer.rank[wish.priority] > 0);
  const named = allowed.filter((offer) => wish.model === undefined || offer.model === wish.model);
  if (wish.model !== undefined && named.length === 0) return refuseModel(wish, letters, offered);
  if (named.length === 0) return refused('BACKEND_UNAVAILABLE', `No backend ${letters.join(' or ')} is set up.`);
  const fitting = named.filter((offer) => wish.language === undefined || languagesOf(offer).includes(wish.language));
  if (fitting.length === 0) return refuseLanguage(wish.language ?? '', named);
  const up = fitting.filter((offer) => offer.downForSeconds === undefined);
  if (up.length === 0) {
    const retryAfterSeconds = Math.ceil(Math.min(...fitting.map((offer) => offer.downForSeconds ?? 0)));
    return { type: 'refused', error: new EarshotError('BACKEND_UNAVAILABLE', 'No recognizer that is allowed is up.', { retryAfterSeconds }) };
  }
  const language = wish.language ?? DEFAULT_LANGUAGE;
  const understands = (offer: Candidate): number => Number(languagesOf(offer).includes(language));
  // Sorting is stable: equal ranks stay in the order of the registry.
  const candidates = up.toSorted(
    (a, b) =>
      letters.indexOf(a.letter) - letters.indexOf(b.letter) ||
      understands(b) - understands(a) ||
      b.rank[wish.priority] - a.rank[wish.priority],
  );
  return { type: 'candidates', candidates };
}

function languagesOf(offer: Candidate): readonly string[] {
  return offer.languages ?? offer.recognizer.capabilities.languages;
}

/** What the policy allows, whatever is wished. */
export function allowedLetters({ allowedBackends, residency }: TenantPolicy): readonly BackendLetter[] {
  return LETTERS[allowedBackends].filter((letter) => letter === 'A' || residency !== 'self_hosted');
}

function lettersInOrder(policy: TenantPolicy, wish: DispatchWish): readonly BackendLetter[] {
  const allowed = allowedLetters(policy);
  const first = [PREFERRED[wish.backendPreference ?? 'any'], policy.defaultBackend].find((letter) => letter !== undefined && allowed.includes(letter));
  return first === undefined ? allowed : [first, ...allowed.filter((letter) => letter !== first)];
}

function refuseModel({ model = '', priority }: DispatchWish, letters: readonly BackendLetter[], offered: readonly Candidate[]): Resolution {
  return offered.some((offer) => offer.model === model && !letters.includes(offer.letter))
    ? refused('AUTHZ_PERMISSION_DENIED', `The tenant policy does not allow the backend of the model "${model}".`)
    : refused('MODEL_NOT_FOUND', `There is no model "${model}" for ${priority} sessions.`);
}

function refuseLanguage(language: string, named: readonly Candidate[]): Resolution {
  const known = [...new Set(named.flatMap(languagesOf))].sort();
  const error = new EarshotError('VALIDATION_ERROR', `No recognizer here understands "${language}".`, {
    details: [{ field: 'language', message: `one of ${known.join(', ')}` }],
  });
  return { type: 'refused', error };
}

function refused(code: 'AUTHZ_PERMISSION_DENIED' | 'MODEL_NOT_FOUND' | 'BACKEND_UNAVAILABLE', message: string): Resolution {
  return { type: 'refused', error: new EarshotError(code, message) };
}
