import type { SessionWish } from '../admission.ts';
import type { Attribution, AttributionFactory } from '../attribution.ts';
import { msToSamples } from '../audio.ts';
import type { Clock } from '../clock.ts';
import { EarshotError } from '../errors.ts';
import type { Principal } from '../principal.ts';
import type { SpeechDetectorFactory } from '../speech-detector.ts';
import type { ObserveStage } from '../stages.ts';
import type { Writing, WritingFactory } from '../text-options.ts';
import type { EndpointingOptions } from './endpointing.ts';
import { RecentSessions } from './recent-sessions.ts';
import { Session, SESSION_LIMITS, type SessionLimits, type SessionPlace } from './session.ts';

export interface SessionRequest {
  readonly tenantId: string;
  /** Takes the session's place, once nothing else can refuse it; throws what refuses it then. */
  readonly admit: () => SessionPlace;
  readonly endpointing?: EndpointingOptions;
  /** Who speaks. Default: several lanes are several speakers. */
  readonly attribution?: Attribution;
  /** How the text is written. Default: as it is heard. */
  readonly writing?: Writing;
  readonly jobId?: string;
  /** The lanes are recordings, and may be cut into pieces. Default false. */
  readonly recorded?: boolean;
  /** Tighter limits than the server's. */
  readonly limits?: Partial<SessionLimits>;
  /** Time of a lane between two `lane.progress`, in ms. Default: none are told. */
  readonly progressMs?: number;
}

export interface SessionsOptions {
  readonly clock: Clock;
  readonly createId: () => string;
  readonly createDetector: SpeechDetectorFactory;
  /** For callers who ask for speakers and have the permission. Without it they are refused with `BACKEND_UNAVAILABLE`. */
  readonly createAttribution?: AttributionFactory;
  /** For callers who want their text in a certain way. Default: text is as it is heard. */
  readonly createWriting?: WritingFactory;
  /** Names the record that a session becomes; absent where nothing is kept. */
  readonly createJobId?: () => string;
  /** Pieces of one recording that are recognized at a time. Default 1. */
  readonly parallelPieces?: number;
  readonly limits?: Partial<SessionLimits>;
  readonly observe?: ObserveStage;
}

/** A recording takes as long as it takes, and when the engine is busy none of it is read for a while. */
const RECORDING_LIMITS: Partial<SessionLimits> = { maxDurationMs: 12 * 3600_000, maxIdleMs: 3600_000 };

/** All sessions of the process, and the way out when the server stops. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #ended: RecentSessions;
  #stopping = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#ended = new RecentSessions(options.clock);
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The tenant's session: open, or spoken live and just ended. Throws `NOT_FOUND`, also for another tenant's. */
  find(id: string, tenantId: string): Session {
    const session = this.#sessions.get(id) ?? this.#ended.get(id);
    if (session?.tenantId !== tenantId) throw new EarshotError('NOT_FOUND', 'No such session.');
    return session;
  }

  /** Sessions of a tenant that have not ended, oldest first. */
  ofTenant(tenantId: string): Session[] {
    return [...this.#sessions.values()].filter((session) => session.tenantId === tenantId);
  }

  /** Opens a session before any audio flows. Throws `SERVER_STOPPING`, or what `admit` throws. */
  create(request: SessionRequest): Session {
    const { clock, createDetector, createId, limits, observe, parallelPieces } = this.#options;
    if (this.#stopping) throw new EarshotError('SERVER_STOPPING', 'The server is shutting down.');
    const place = request.admit();
    const { segmentPauseMs } = place.capabilities;
    const session = new Session({
      id: createId(),
      tenantId: request.tenantId,
      ...(request.jobId !== undefined && { jobId: request.jobId }),
      place,
      clock,
      createDetector,
      endpointing: { ...request.endpointing, ...(segmentPauseMs !== undefined && { segmentPauseMs }) },
      ...(request.attribution && { attribution: request.attribution }),
      ...(request.writing && { writing: request.writing }),
      limits: { ...SESSION_LIMITS, ...limits, ...request.limits },
      ...(request.recorded === true && { parallelPieces: parallelPieces ?? 1 }),
      ...(request.progressMs !== undefined && { progressSamples: msToSamples(request.progressMs) }),
      ...(observe && { observe }),
    });
    this.#sessions.set(session.id, session);
    void session.closed.then(() => {
      this.#sessions.delete(session.id);
      if (request.recorded !== true) this.#ended.add(session);
    });
    return session;
  }

  /** As `create`, for a caller at the door. Also throws `AUTH_INSUFFICIENT_SCOPE` for speakers wished without their permission. */
  open(caller: Principal, wish: SessionWish, request: Pick<SessionRequest, 'admit' | 'limits'>): Session {
    const attribution = this.#attributionFor(caller, wish);
    const writing = wish.text && this.#options.createWriting?.(wish.text);
    const jobId = wish.jobId ?? (wish.recordsItself ? undefined : this.#options.createJobId?.());
    const recorded = wish.priority === 'batch';
    return this.create({
      ...request,
      tenantId: caller.tenantId,
      ...(wish.endpointing && { endpointing: wish.endpointing }),
      ...(attribution && { attribution }),
      ...(writing && { writing }),
      ...(jobId !== undefined && { jobId }),
      recorded,
      limits: { ...(recorded && RECORDING_LIMITS), ...wish.limits, ...request.limits },
      ...(wish.progressMs !== undefined && { progressMs: wish.progressMs }),
    });
  }

  /** Voices are analysed for nobody who did not ask, and for nobody who may not. */
  #attributionFor(caller: Principal, wish: SessionWish): Attribution | undefined {
    if (wish.diarize !== true) return undefined;
    if (!caller.permissions.has('scaiecho:diarize')) {
      throw new EarshotError('AUTH_INSUFFICIENT_SCOPE', 'This needs the permission scaiecho:diarize.');
    }
    const { createAttribution } = this.#options;
    if (!createAttribution) throw new EarshotError('BACKEND_UNAVAILABLE', 'Nothing here can tell speakers apart.');
    return createAttribution({ tenantId: caller.tenantId });
  }

  /** Ends every session, letting each deliver what it heard, and admits no more. */
  async drain(): Promise<void> {
    this.#stopping = true;
    const stopping = new EarshotError('SERVER_STOPPING', 'The server is shutting down.');
    const ended = [...this.#sessions.values()].map((session) => (session.state === 'open' ? session.fail(stopping) : session.closed));
    await Promise.all(ended);
  }
}
