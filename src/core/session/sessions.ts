import type { Attribution, AttributionFactory } from '../attribution.ts';
import { msToSamples } from '../audio.ts';
import type { Clock } from '../clock.ts';
import { EarshotError } from '../errors.ts';
import type { SessionWish } from '../admission.ts';
import type { Principal } from '../principal.ts';
import type { RecognitionContext, Recognizer, RecognizerPriority } from '../recognizer.ts';
import type { SpeechDetectorFactory } from '../speech-detector.ts';
import type { ObserveStage } from '../stages.ts';
import type { EndpointingOptions } from './endpointing.ts';
import { Session, SESSION_LIMITS, type SessionLimits } from './session.ts';

export interface SessionRequest {
  readonly tenantId: string;
  readonly priority: RecognizerPriority;
  /** ISO 639-1 code that the client expects, if it says so. */
  readonly language?: string;
  readonly model?: string;
  /** Audio that a chunked relay collects before it asks, in seconds. */
  readonly chunkSeconds?: number;
  readonly endpointing?: EndpointingOptions;
  /** Who speaks. Default: several lanes are several speakers. */
  readonly attribution?: Attribution;
  readonly limits?: Partial<SessionLimits>;
  /** Time of a lane between two `lane.progress`, in ms. Default: none are told. */
  readonly progressMs?: number;
}

export interface SessionsOptions {
  readonly clock: Clock;
  readonly createId: () => string;
  readonly recognizer: Recognizer;
  /** Letter that tells clients which backend ran. */
  readonly backend: string;
  readonly createDetector: SpeechDetectorFactory;
  /** For callers who ask for speakers and have the permission. Without it they are refused with `BACKEND_UNAVAILABLE`. */
  readonly createAttribution?: AttributionFactory;
  readonly limits?: Partial<SessionLimits>;
  readonly observe?: ObserveStage;
}

/** All sessions of the process: admission at the door, look-up by tenant, and the way out when the server stops. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  #stopping = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Admits a session before any audio flows. Throws `CAPACITY_EXCEEDED`, `BACKEND_UNAVAILABLE` or `SERVER_STOPPING`, and
   * `VALIDATION_ERROR` for a language that the recognizer does not know.
   */
  create(request: SessionRequest): Session {
    const { recognizer, clock, createDetector, backend, createId, limits, observe } = this.#options;
    if (this.#stopping) throw new EarshotError('SERVER_STOPPING', 'The server is shutting down.');
    checkLanguage(recognizer, request.language);
    const lease = recognizer.admit(request.priority, contextOf(request));
    const { maxSegmentSamples, segmentPauseMs } = lease.capabilities ?? recognizer.capabilities;
    const session = new Session({
      id: createId(),
      tenantId: request.tenantId,
      backend,
      clock,
      createDetector,
      lease,
      endpointing: { ...request.endpointing, ...(segmentPauseMs !== undefined && { segmentPauseMs }) },
      ...(request.attribution && { attribution: request.attribution }),
      maxSegmentSamples,
      limits: { ...SESSION_LIMITS, ...limits, ...request.limits },
      ...(request.progressMs !== undefined && { progressSamples: msToSamples(request.progressMs) }),
      ...(observe && { observe }),
    });
    this.#sessions.set(session.id, session);
    void session.closed.then(() => this.#sessions.delete(session.id));
    return session;
  }

  /** As `create`, for a caller at the door. */
   
  async open(caller: Principal, wish: SessionWish): Promise<Session> {
    const { priority, language, model, chunkSeconds, endpointing, limits, progressMs } = wish;
    const attribution = this.#attributionFor(caller, wish);
    return this.create({
      ...contextOf({ tenantId: caller.tenantId, language, model, chunkSeconds }),
      priority,
      ...(endpointing && { endpointing }),
      ...(attribution && { attribution }),
      ...(limits && { limits }),
      ...(progressMs !== undefined && { progressMs }),
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

/** Only what was said: an absent wish stays absent. */
function contextOf(from: { readonly [Key in keyof RecognitionContext]: RecognitionContext[Key] | undefined } & { readonly tenantId: string }): RecognitionContext {
  const { tenantId, language, model, chunkSeconds } = from;
  return { tenantId, ...(language !== undefined && { language }), ...(model !== undefined && { model }), ...(chunkSeconds !== undefined && { chunkSeconds }) };
}

function checkLanguage(recognizer: Recognizer, language: string | undefined): void {
  const known = recognizer.capabilities.languages;
  if (language === undefined || known.includes(language)) return;
  throw new EarshotError('VALIDATION_ERROR', `No recognizer here understands "${language}".`, {
    details: [{ field: 'language_hint', message: `one of ${known.join(', ')}` }],
  });
}
