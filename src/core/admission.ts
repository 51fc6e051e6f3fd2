import type { Principal } from './principal.ts';
import type { RecognizerPriority } from './recognizer.ts';
import type { EndpointingOptions } from './session/endpointing.ts';
import type { Session, SessionLimits } from './session/session.ts';
import type { TextOptions } from './text-options.ts';

/** By what a session's audio comes in. */
export type TransportKind = 'http' | 'websocket' | 'webrtc' | 'job' | 'mcp';

/** Which kind of backend the caller would like; the tenant's policy has the last word. */
export type BackendPreference = 'any' | 'prefer_self_hosted' | 'prefer_relay';

/** A session that somebody asks for, before anything is reserved for it. */
export interface SessionWish {
  readonly transport: TransportKind;
  readonly priority: RecognizerPriority;
  /** The job that the session works for, where there is one already. */
  readonly jobId?: string;
  /** The transport writes the session down by itself. Default false. */
  readonly recordsItself?: boolean;
  /** ISO 639-1 code that the client expects, if it says so. */
  readonly language?: string;
  /** Name of an installed model; default: the best fitting. */
  readonly model?: string;
  /** Default `any`. */
  readonly backendPreference?: BackendPreference;
  /** Label the words with their speakers. Needs `scaiecho:diarize`. Default false. */
  readonly diarize?: boolean;
  /** Window that a chunked relay collects before it transcribes, in seconds. Default 5. */
  readonly chunkSeconds?: number;
  readonly endpointing?: EndpointingOptions;
  /** Tighter limits than the server's. */
  readonly limits?: Partial<SessionLimits>;
  /** Time of a lane between two `lane.progress` events, in ms. Default: none are told. */
  readonly progressMs?: number;
  /** How the text is written. */
  readonly text?: TextOptions;
}

/**
 * Opens a session for a caller, or throws what refuses it (`AUTHZ_PERMISSION_DENIED`, `RATE_LIMITED`, `BUDGET_EXCEEDED`,
 * `BACKEND_UNAVAILABLE`, `CAPACITY_EXCEEDED`, `VALIDATION_ERROR`, ...) before any audio flows.
 */
export type OpenSession = (caller: Principal, wish: SessionWish) => Promise<Session>;

/**
 * Something that has a say in who gets a session, or keeps account of those who did: limits, budgets, usage, transcripts.
 * It throws to refuse. What it returns is called once: with the session as soon as there is one, or with `undefined` if something
 * after it refused, so that it gives back what it reserved.
 */
export type AdmissionGuard = (caller: Principal, wish: SessionWish) => Promise<(session: Session | undefined) => void>;

/** One door for every transport: asks each guard in order, then opens the session. */
export function guardedDoor(guards: readonly AdmissionGuard[], open: OpenSession): OpenSession {
  return async (caller, wish) => {
    const admitted: ((session: Session | undefined) => void)[] = [];
    const tell = (session: Session | undefined): void => {
      for (const told of admitted) told(session);
    };
    let session: Session;
    try {
      for (const guard of guards) admitted.push(await guard(caller, wish));
      session = await open(caller, wish);
    } catch (error) {
      tell(undefined);
      throw error;
    }
    tell(session);
    return session;
  };
}
