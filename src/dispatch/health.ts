import type { Clock } from '../core/clock.ts';
import type { EarshotError, ErrorCode } from '../core/errors.ts';
import type { BackendLetter } from '../core/store/tenants.ts';
import { CircuitBreaker, type CircuitState } from './circuit-breaker.ts';

/** What is judged by itself. A relay is used with a tenant's own credentials, so one tenant's failures say nothing about another's. */
export interface HealthSubject {
  readonly backend: string;
  readonly letter: BackendLetter;
  readonly model: string;
  readonly tenantId: string;
}

/** Of one backend's model, over all tenants. */
export interface HealthReport {
  readonly backend: string;
  readonly letter: BackendLetter;
  readonly model: string;
  /** The worst of all tenants'. */
  readonly state: CircuitState;
  readonly settledSegments: number;
  /** By code; `silent` where it told nothing for too long. */
  readonly failures: ReadonlyMap<ErrorCode | 'silent', number>;
}

interface Counts {
  readonly subject: HealthSubject;
  settledSegments: number;
  /** Last sign of life that any stream had. */
  aliveMs: number;
  readonly failures: Map<ErrorCode | 'silent', number>;
  readonly breakers: Map<string, CircuitBreaker>;
}

/** A self-hosted engine that gave anybody a sign of life within this time is busy where it is silent, and no reason to turn others away. */
const BUSY_MS = 6000;
/** Tenants of one relay whose failures are remembered; beyond, the oldest go. */
const MAX_BREAKERS = 1000;
const STATES: readonly CircuitState[] = ['closed', 'half-open', 'open'];

/** Knows of every backend's models whether they work, from nothing but their use. */
export class BackendHealth {
  readonly #clock: Clock;
  readonly #counts = new Map<string, Counts>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Seconds until it is worth a try; undefined: now. */
  downForSeconds(subject: HealthSubject): number | undefined {
    const waitMs = this.#breaker(subject)?.waitMs(this.#clock.nowMs()) ?? 0;
    return waitMs > 0 ? waitMs / 1000 : undefined;
  }

  /** A session begins to use it; call what is returned when it does so no more. */
  used(subject: HealthSubject): () => void {
    const breaker = this.#breaker(subject);
    const isTrial = breaker?.used(this.#clock.nowMs()) ?? false;
    return () => {
      if (isTrial) breaker?.leftUndecided();
    };
  }

  /** It told some stream something. */
  alive(subject: HealthSubject): void {
    this.#countsOf(subject).aliveMs = this.#clock.nowMs();
  }

  settled(subject: HealthSubject): void {
    const counts = this.#countsOf(subject);
    counts.aliveMs = this.#clock.nowMs();
    counts.settledSegments += 1;
    counts.breakers.get(breakerKey(subject))?.succeeded();
    counts.breakers.delete(breakerKey(subject));
  }

  failed(subject: HealthSubject, error: EarshotError, isSilent: boolean): void {
    const { aliveMs, failures, breakers } = this.#countsOf(subject);
    const kind = isSilent ? 'silent' : error.code;
    failures.set(kind, (failures.get(kind) ?? 0) + 1);
    if (isSilent && subject.letter === 'A' && this.#clock.nowMs() - aliveMs < BUSY_MS) return;
    const key = breakerKey(subject);
    const breaker = breakers.get(key) ?? new CircuitBreaker();
    breaker.failed(this.#clock.nowMs());
    breakers.set(key, breaker);
    const [oldest] = breakers.keys();
    if (breakers.size > MAX_BREAKERS && oldest !== undefined) breakers.delete(oldest);
  }

  /** Of everything that was used so far. */
  reports(): HealthReport[] {
    const nowMs = this.#clock.nowMs();
    return [...this.#counts.values()].map(({ subject: { backend, letter, model }, settledSegments, failures, breakers }) => {
      const states = [...breakers.values()].map((breaker) => breaker.state(nowMs));
      const state = STATES.findLast((each) => states.includes(each)) ?? 'closed';
      return { backend, letter, model, state, settledSegments, failures };
    });
  }

  #breaker(subject: HealthSubject): CircuitBreaker | undefined {
    return this.#counts.get(countsKey(subject))?.breakers.get(breakerKey(subject));
  }

  #countsOf(subject: HealthSubject): Counts {
    const key = countsKey(subject);
    const counts = this.#counts.get(key) ?? { subject, settledSegments: 0, aliveMs: -Infinity, failures: new Map(), breakers: new Map() };
    this.#counts.set(key, counts);
    return counts;
  }
}

const countsKey = ({ backend, model }: HealthSubject): string => JSON.stringify([backend, model]);

/** Self-hosted engines are the same for everybody. */
const breakerKey = ({ letter, tenantId }: HealthSubject): string => (letter === 'B' ? tenantId : '');
