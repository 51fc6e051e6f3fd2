import type { SessionWish } from '../core/admission.ts';
import type { Backend } from '../core/backend.ts';
import type { Clock } from '../core/clock.ts';
import { EarshotError, type ErrorCode } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { RecognitionContext, RecognizerSnapshot } from '../core/recognizer.ts';
import { SESSION_LIMITS, type Session, type SessionLimits, type SessionPlace } from '../core/session/session.ts';
import type { Sessions } from '../core/session/sessions.ts';
import type { BackendLetter, TenantPolicy, TenantStore } from '../core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from '../core/tenant-policy.ts';
import { FailoverLease, type FailoverTarget } from '../recognizers/adapters/failover.ts';
import { BackendHealth, type HealthReport, type HealthSubject } from './health.ts';
import { readinessOf, type Readiness } from './readiness.ts';
import { allowedLetters, resolve, type Candidate } from './resolver.ts';

export interface DispatcherOptions {
  readonly backends: readonly Backend[];
  readonly sessions: Sessions;
  readonly policies: Pick<TenantStore, 'policy'>;
  readonly clock: Clock;
  /** Told of every recognizer that failed a session which it had taken, for the log. */
  readonly onFailure?: (failure: BackendFailure) => void;
}

/** A recognizer failed a session that it had taken. */
export interface BackendFailure extends HealthSubject {
  readonly code: ErrorCode;
  /** It gave no sign of life for too long. */
  readonly isSilent: boolean;
  readonly cause: unknown;
}

/** What an operator sees of a backend. */
export interface BackendStatus {
  readonly id: string;
  readonly letter: BackendLetter;
  readonly ready: boolean;
  readonly reason?: string;
}

interface Target extends FailoverTarget {
  readonly candidate: Candidate;
}

/** A session, from before its policy is read, and what that allows it now. */
interface HeldSession {
  readonly tenantId: string;
  allowed?: readonly BackendLetter[];
  lease?: FailoverLease<Target>;
  session?: Session;
}

/** Gives each session to a recognizer that the tenant's policy allows and that can take it. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #health: BackendHealth;
  /** Ids of the backends that have neither come up yet nor failed to. */
  readonly #starting = new Set<string>();
  readonly #held = new Set<HeldSession>();
  #failovers = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#health = new BackendHealth(options.clock);
  }

  /**
   * Opens a session at the first candidate that takes it. Throws what {@link resolve} refuses with; `CAPACITY_EXCEEDED` or
   * `BACKEND_UNAVAILABLE`, with `retryAfterSeconds`, if no candidate can take it now; `SERVER_STOPPING`.
   */
  async open(caller: Principal, wish: SessionWish): Promise<Session> {
    const held: HeldSession = { tenantId: caller.tenantId };
    this.#held.add(held);
    try {
      const session = await this.#open(caller, wish, held);
      held.session = session;
      holdToPolicy(held);
      void session.closed.then(() => this.#held.delete(held));
      return session;
    } catch (error) {
      this.#held.delete(held);
      throw error;
    }
  }

  async #open(caller: Principal, wish: SessionWish, held: HeldSession): Promise<Session> {
    const { sessions, policies } = this.#options;
    const policy = (await policies.policy(caller.tenantId)) ?? DEFAULT_TENANT_POLICY;
    held.allowed ??= allowedLetters(policy);
    const resolution = resolve(policy, wish, await this.#candidates(caller.tenantId));
    if (resolution.type === 'refused') throw resolution.error;
    return sessions.open(caller, wish, {
      admit: () => this.#admit(resolution.candidates, held, wish),
      limits: limitsOf(policy, wish),
    });
  }

  /**
   * The policy of a tenant is another one: sessions that are open go on at a backend that it allows. Where there is none, they end at once with
   * `AUTHZ_PERMISSION_DENIED`, and nothing more of them is recognized.
   */
  policyChanged(tenantId: string, policy: TenantPolicy): void {
    for (const held of this.#held) {
      if (held.tenantId !== tenantId) continue;
      held.allowed = allowedLetters(policy);
      holdToPolicy(held);
    }
  }

  /** Times that a session went on at another recognizer. */
  get failovers(): number {
    return this.#failovers;
  }

  /** Each backend, in the order of the registry. One whose used models all failed too often is not ready. */
  status(): BackendStatus[] {
    const reports = this.health();
    return this.#options.backends.map((backend) => {
      const { id, letter } = backend;
      const snapshot = backend.snapshot();
      const used = reports.filter((report) => report.backend === id);
      if (used.length > 0 && used.every((report) => report.state === 'open')) return { id, letter, ready: false, reason: 'it failed again and again, and is given a rest' };
      return { id, letter, ready: snapshot.ready, ...(snapshot.reason !== undefined && { reason: snapshot.reason }) };
    });
  }

  /** What the policy of the tenant lets it have for recordings, best first; a name that several backends have is there once. */
  async models(tenantId: string): Promise<{ readonly model: string; readonly backend: string }[]> {
    const { policies } = this.#options;
    const policy = (await policies.policy(tenantId)) ?? DEFAULT_TENANT_POLICY;
    const resolution = resolve(policy, { priority: 'batch' }, await this.#candidates(tenantId));
    if (resolution.type === 'refused') return [];
    const { candidates } = resolution;
    return candidates.filter(({ model }, index) => candidates.findIndex((other) => other.model === model) === index);
  }

  /** Has every backend load what the first live session needs, so that its captions do not wait for that. What fails is told when it is asked for. */
  warmUp(): void {
    for (const backend of this.#options.backends) {
      this.#starting.add(backend.id);
      const started = (): boolean => this.#starting.delete(backend.id);
      backend.ready('live').then(started, started);
    }
  }

  /** Whether a live session of the tenant could be had now, by {@link readinessOf}. */
  async readiness(tenantId: string): Promise<Readiness> {
    const policy = (await this.#options.policies.policy(tenantId)) ?? DEFAULT_TENANT_POLICY;
    const resolution = resolve(policy, { priority: 'live' }, await this.#candidates(tenantId));
    if (resolution.type === 'refused') return { ready: false, reason: resolution.error.message };
    return readinessOf(
      resolution.candidates.map(({ backend, letter, recognizer }) => {
        const { ready, reason } = recognizer.snapshot();
        return { letter, ready, starting: this.#starting.has(backend), ...(reason !== undefined && { reason }) };
      }),
    );
  }

  /** Of all backends together. */
  totals(): Pick<RecognizerSnapshot, 'activeSessions' | 'maxSessions' | 'restarts'> {
    const each = this.#options.backends.map((backend) => backend.snapshot());
    const sum = (of: (snapshot: RecognizerSnapshot) => number): number => each.reduce((total, snapshot) => total + of(snapshot), 0);
    return {
      activeSessions: sum((snapshot) => snapshot.activeSessions),
      maxSessions: sum((snapshot) => snapshot.maxSessions),
      restarts: sum((snapshot) => snapshot.restarts),
    };
  }

  /** How each backend's models did so far; those never used are not among them. */
  health(): readonly HealthReport[] {
    return this.#health.reports();
  }

  async #candidates(tenantId: string): Promise<Candidate[]> {
    const offers = this.#options.backends.map(async (backend) =>
      (await backend.offers(tenantId)).map((offer) => {
        const { id, letter } = backend;
        const downForSeconds = this.#health.downForSeconds({ backend: id, letter, model: offer.model, tenantId });
        return { ...offer, backend: id, letter, ...(downForSeconds !== undefined && { downForSeconds }) };
      }),
    );
    return (await Promise.all(offers)).flat();
  }

  #admit(candidates: readonly Candidate[], held: HeldSession, wish: SessionWish): SessionPlace {
    const targets = candidates.map((candidate) => this.#target(candidate, held, wish));
    const lease = new FailoverLease({ targets, clock: this.#options.clock }, wish.priority);
    held.lease = lease;
    const serving = (): Pick<SessionPlace, 'backend' | 'model' | 'capabilities'> => {
      const { letter, model } = lease.target.candidate;
      return { backend: letter, model, capabilities: lease.capabilities };
    };
    return {
      lease,
      ...serving(),
      onChange: (listener) => {
        lease.onChange(() => {
          this.#failovers += 1;
          listener(serving());
        });
      },
    };
  }

  #target(candidate: Candidate, held: HeldSession, wish: SessionWish): Target {
    const health = this.#health;
    const { tenantId } = held;
    const { backend, letter, model, recognizer } = candidate;
    const subject: HealthSubject = { backend, letter, model, tenantId };
    return {
      candidate,
      recognizer,
      context: contextOf(tenantId, model, wish),
      isUp: () => health.downForSeconds(subject) === undefined,
      isAllowed: () => held.allowed?.includes(letter) ?? true,
      health: {
        used: () => health.used(subject),
        alive: () => {
          health.alive(subject);
        },
        settled: () => {
          health.settled(subject);
        },
        failed: (error, isSilent) => {
          health.failed(subject, error, isSilent);
          this.#options.onFailure?.({ ...subject, code: error.code, isSilent, cause: error.cause });
        },
      },
    };
  }
}

function holdToPolicy({ lease, session }: HeldSession): void {
  if (!lease || !session || lease.recheck()) return;
  void session.destroy(new EarshotError('AUTHZ_PERMISSION_DENIED', 'The tenant policy does not allow the backend of this session any more.'));
}

function contextOf(tenantId: string, model: string, { language, chunkSeconds }: SessionWish): RecognitionContext {
  return { tenantId, model, ...(language !== undefined && { language }), ...(chunkSeconds !== undefined && { chunkSeconds }) };
}

/** The shortest of what the policy, the caller and the server allow. */
function limitsOf({ maxSessionSeconds }: TenantPolicy, { limits }: SessionWish): Partial<SessionLimits> {
  if (maxSessionSeconds === null) return {};
  return { maxDurationMs: Math.min(maxSessionSeconds * 1000, limits?.maxDurationMs ?? Infinity, SESSION_LIMITS.maxDurationMs) };
}
