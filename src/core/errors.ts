/** One row of the error table: what a fault means to each kind of client. */
export interface ErrorRule {
  /** May the same request succeed later without being changed? */
  readonly retryable: boolean;
  readonly httpStatus: number;
  /** WebSocket close code (RFC 6455, section 7.4). */
  readonly closeCode: number;
  /** Who and what it is about, for the generated table in docs/errors.md. */
  readonly meaning: string;
}

const rule = (httpStatus: number, closeCode: number, retryable: boolean, meaning: string): ErrorRule => ({
  httpStatus,
  closeCode,
  retryable,
  meaning,
});

/** Every error a client can meet. Match on the code, never on the message. */
export const ERRORS = {
  AUTH_TOKEN_MISSING: rule(401, 1008, false, 'No API key was sent.'),
  AUTH_TOKEN_INVALID: rule(401, 1008, false, 'The API key is not known to this server.'),
  SESSION_EXPIRED: rule(401, 1008, false, 'The token or the key is past its expiry.'),
  AUTH_INSUFFICIENT_SCOPE: rule(403, 1008, false, 'The API key was not given the permission that this needs.'),
  AUTHZ_PERMISSION_DENIED: rule(403, 1008, false, 'The policy does not allow this to the caller.'),
  RATE_LIMITED: rule(429, 1013, true, 'Too many requests, sessions or failed logins; try again after `retry_after` seconds.'),
  QUOTA_EXCEEDED: rule(429, 1013, true, 'A limit on stored records is reached.'),
  BUDGET_EXCEEDED: rule(402, 1008, false, 'The budget of the tenant or the key is used up for this period.'),
  BACKEND_NOT_FOUND: rule(404, 1008, false, 'No backend of this name is set up.'),
  SLUG_CONFLICT: rule(409, 1008, false, 'The name or id is taken. Over HTTP and WebSocket nothing is named by its maker, so only the command line meets it.'),
  MODEL_NOT_FOUND: rule(404, 1008, false, 'No such model is installed.'),
  MODEL_UNAVAILABLE: rule(503, 1013, true, 'The model is installed and cannot be loaded.'),
  UPSTREAM_SHAPE_MISMATCH: rule(502, 1011, true, 'A relay answered in a shape that it should not have.'),
  BACKEND_RATE_LIMITED: rule(429, 1013, true, 'The relay asks to slow down; try again after `retry_after` seconds.'),
  NOT_FOUND: rule(404, 1008, false, 'No such route, session or record.'),
  METHOD_NOT_ALLOWED: rule(405, 1008, false, 'The resource has no such method; `Allow` names those that it has.'),
  NOT_ACCEPTABLE: rule(406, 1008, false, 'The answer cannot be of a type that `Accept` allows.'),
  PRECONDITION_FAILED: rule(412, 1008, false, 'The record has changed: `If-Match` names an older state.'),
  PRECONDITION_REQUIRED: rule(428, 1008, false, 'The change needs `If-Match`, so that it meets the state that it is meant for.'),
  MEDIA_TYPE_UNSUPPORTED: rule(415, 1003, false, 'The body is of another type than the route takes.'),
  VALIDATION_ERROR: rule(422, 1008, false, 'A field is missing, unknown or out of range; `details` names it.'),
  MESSAGE_MALFORMED: rule(400, 1003, false, 'A message is not what the protocol allows at this point.'),
  MESSAGE_TOO_LARGE: rule(413, 1009, false, 'A message or body is over its size limit.'),
  AUDIO_TOO_LARGE: rule(413, 1009, false, 'The upload is over the inline limit.'),
  AUDIO_EMPTY: rule(422, 1003, false, 'There is no audio in what was sent.'),
  AUDIO_UNSUPPORTED: rule(415, 1003, false, 'The bytes are not audio in a supported container or encoding.'),
  AUDIO_MALFORMED: rule(422, 1003, false, 'The audio starts like a supported format and then contradicts itself.'),
  AUDIO_TRUNCATED: rule(422, 1003, false, 'The audio ends in the middle of its header.'),
  URL_NOT_ALLOWED: rule(422, 1008, false, 'The address is not one that this server may reach: it is malformed, private, or resolves to a private one.'),
  URL_NOT_FOUND: rule(422, 1008, false, 'The address answered that there is nothing to have.'),
  URL_UNREACHABLE: rule(502, 1011, true, 'The address cannot be reached, failed, or fell silent.'),
  SDP_INVALID: rule(400, 1008, false, 'The session description cannot be parsed or is not an offer.'),
  SDP_NO_AUDIO: rule(422, 1008, false, 'The offer has no audio that can be received (Opus, sendonly or sendrecv).'),
  ICE_CANDIDATE_INVALID: rule(400, 1008, false, 'The ICE candidate cannot be parsed.'),
  SESSION_CONFLICT: rule(409, 1008, false, 'The session is not in a state that allows this.'),
  SESSION_IDLE: rule(408, 1008, true, 'No audio arrived for longer than the idle limit.'),
  SESSION_TOO_LONG: rule(403, 1008, false, 'The session reached its longest allowed duration.'),
  RESUME_GAP: rule(410, 1008, false, 'The events after `afterSeq` are no longer kept.'),
  CAPACITY_EXCEEDED: rule(503, 1013, true, 'Every recognizer is taken; try again after `retry_after` seconds.'),
  BACKEND_UNAVAILABLE: rule(503, 1013, true, 'No recognizer is ready.'),
  BACKEND_ERROR: rule(502, 1011, true, 'The recognizer failed on this audio and could not be restarted.'),
  BACKEND_TIMEOUT: rule(504, 1011, true, 'The recognizer or the sender did not answer in time.'),
  FEATURE_NOT_ENABLED: rule(501, 1008, false, 'The operator has not set up what this needs.'),
  STORE_UNAVAILABLE: rule(503, 1013, true, 'The data folder cannot be read or written: full, locked, or failing.'),
  SERVER_STOPPING: rule(503, 1001, true, 'The server is shutting down.'),
  INTERNAL: rule(500, 1011, true, 'A fault of the server; the log has it under the request id.'),
} as const satisfies Record<string, ErrorRule>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorDetail {
  readonly field: string;
  readonly message: string;
}

export interface ErrorExtras {
  readonly cause?: unknown;
  /** Seconds after which a retry is worth it. */
  readonly retryAfterSeconds?: number;
  readonly details?: readonly ErrorDetail[];
}

/** The one error class that crosses module boundaries. `message` is safe to show to the client. */
export class EarshotError extends Error {
  override readonly name = 'EarshotError';
  readonly code: ErrorCode;
  readonly retryAfterSeconds: number | undefined;
  readonly details: readonly ErrorDetail[];

  constructor(code: ErrorCode, message: string, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.code = code;
    this.retryAfterSeconds = extras.retryAfterSeconds;
    this.details = extras.details ?? [];
  }

  get rule(): ErrorRule {
    return ERRORS[this.code];
  }
}

/** Anything thrown, as an `EarshotError`; what is not one becomes `INTERNAL` with the original as its cause. */
export function toEarshotError(thrown: unknown): EarshotError {
  if (thrown instanceof EarshotError) return thrown;
  return new EarshotError('INTERNAL', 'Something went wrong on the server.', { cause: thrown });
}
