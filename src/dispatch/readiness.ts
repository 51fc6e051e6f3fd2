import type { Candidate } from './resolver.ts';

/** Can a session be had now? */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** What decides about readiness, of one candidate in the order of the resolver. */
export interface CandidateState extends Pick<Candidate, 'letter'> {
  readonly ready: boolean;
  /** Its backend has not yet come up since the server started, nor failed to. */
  readonly starting: boolean;
  readonly reason?: string;
}

/**
 * A server is ready once somebody can take a session; but while what the policy takes first is still starting, what it falls back on does not count: audio
 * that is meant to stay here would go to somebody else only because it came early.
 */
export function readinessOf(candidates: readonly CandidateState[]): Readiness {
  const [first] = candidates;
  if (!first) return { ready: false, reason: 'no backend is set up' };
  const preferred = candidates.filter(({ letter }) => letter === first.letter);
  const isStarting = preferred.some(({ starting }) => starting);
  const considered = isStarting ? preferred : candidates;
  if (considered.some(({ ready }) => ready)) return { ready: true };
  const reasons = considered.flatMap(({ reason }) => reason ?? []);
  return { ready: false, reason: [...new Set(reasons)].join('; ') || 'the recognizer is starting' };
}
