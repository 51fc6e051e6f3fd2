import type { SessionWish } from '../core/admission.ts';
import type { Backend } from '../core/backend.ts';
import { EarshotError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { RecognitionContext, RecognizerSnapshot } from '../core/recognizer.ts';
import { SESSION_LIMITS, type Session, type SessionLimits, type SessionPlace } from '../core/session/session.ts';
import type { Sessions } from '../core/session/sessions.ts';
import type { TenantPolicy, TenantStore } from '../core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from '../core/tenant-policy.ts';
import { resolve, type Candidate } from './resolver.ts';

export interface DispatcherOptions {
  readonly backends: readonly Backend[];
  readonly sessions: Sessions;
  readonly policies: Pick<TenantStore, 'policy'>;
}

/** Refusals after which the next candidate is asked. */
const ASK_THE_NEXT: ReadonlySet<string> = new Set(['CAPACITY_EXCEEDED', 'BACKEND_UNAVAILABLE', 'BACKEND_RATE_LIMITED', 'MODEL_UNAVAILABLE']);
const RETRY_AFTER_SECONDS = 5;

/** Gives each session to a recognizer that the tenant's policy allows and that can take it. */
export class Dispatcher {
  readonly #options: DispatcherOptions;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /**
   * Opens a session at the first candidate that takes it. Throws what {@link resolve} refuses with; `CAPACITY_EXCEEDED` or
   * `BACKEND_UNAVAILABLE`, with `retryAfterSeconds`, if no candidate can take it now; `SERVER_STOPPING`.
   */
  async open(caller: Principal, wish: SessionWish): Promise<Session> {
    const { backends, sessions, policies } = this.#options;
    const policy = (await policies.policy(caller.tenantId)) ?? DEFAULT_TENANT_POLICY;
    const resolution = resolve(policy, wish, await offersOf(backends, caller.tenantId));
    if (resolution.type === 'refused') throw resolution.error;
    return sessions.open(caller, wish, { admit: () => admitFirst(resolution.candidates, caller.tenantId, wish), limits: limitsOf(policy, wish) });
  }

  /** Of all backends together: ready if one of them is. */
  snapshot(): RecognizerSnapshot {
    const each = this.#options.backends.map((backend) => backend.snapshot());
    const ready = each.some((snapshot) => snapshot.ready);
    const sum = (of: (snapshot: RecognizerSnapshot) => number): number => each.reduce((total, snapshot) => total + of(snapshot), 0);
    return {
      ready,
      ...(!ready && { reason: [...new Set(each.flatMap((snapshot) => snapshot.reason ?? []))].join('; ') || 'no backend is set up' }),
      activeSessions: sum((snapshot) => snapshot.activeSessions),
      maxSessions: sum((snapshot) => snapshot.maxSessions),
      restarts: sum((snapshot) => snapshot.restarts),
    };
  }
}

async function offersOf(backends: readonly Backend[], tenantId: string): Promise<Candidate[]> {
  const offers = backends.map(async (backend) => (await backend.offers(tenantId)).map((offer) => ({ ...offer, backend: backend.id, letter: backend.letter })));
  return (await Promise.all(offers)).flat();
}

function admitFirst(candidates: readonly Candidate[], tenantId: string, wish: SessionWish): SessionPlace {
  const refusals: EarshotError[] = [];
  for (const { recognizer, letter, model } of candidates) {
    try {
      const lease = recognizer.admit(wish.priority, contextOf(tenantId, model, wish));
      return { lease, backend: letter, model, capabilities: lease.capabilities ?? recognizer.capabilities };
    } catch (error) {
      if (!(error instanceof EarshotError) || !ASK_THE_NEXT.has(error.code)) throw error;
      refusals.push(error);
    }
  }
  throw refusalOf(refusals);
}

/** What the first choice said, with the shortest wait that any of them asks for. */
function refusalOf(refusals: readonly EarshotError[]): EarshotError {
  const [first] = refusals;
  const waits = refusals.map((error) => error.retryAfterSeconds ?? RETRY_AFTER_SECONDS);
  return new EarshotError(first?.code ?? 'BACKEND_UNAVAILABLE', first?.message ?? 'No recognizer is ready.', {
    retryAfterSeconds: Math.min(...waits),
    cause: first,
  });
}

function contextOf(tenantId: string, model: string, { language, chunkSeconds }: SessionWish): RecognitionContext {
  return { tenantId, model, ...(language !== undefined && { language }), ...(chunkSeconds !== undefined && { chunkSeconds }) };
}

/** The shortest of what the policy, the caller and the server allow. */
function limitsOf({ maxSessionSeconds }: TenantPolicy, { limits }: SessionWish): Partial<SessionLimits> {
  if (maxSessionSeconds === null) return {};
  return { maxDurationMs: Math.min(maxSessionSeconds * 1000, limits?.maxDurationMs ?? Infinity, SESSION_LIMITS.maxDurationMs) };
}
