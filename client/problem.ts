/** Faults that the client finds itself; the server's own codes come beside them. */
export type ClientProblemCode =
  | 'MICROPHONE_DENIED'
  | 'MICROPHONE_MISSING'
  | 'MICROPHONE_BUSY'
  | 'MICROPHONE_INSECURE'
  | 'MICROPHONE_LOST'
  | 'MICROPHONE_FAILED'
  | 'SERVER_UNREACHABLE'
  | 'CONNECTION_LOST'
  | 'WEBRTC_FAILED'
  | 'UPLINK_TOO_SLOW'
  | 'FINISH_TIMEOUT';

/** What went wrong, with a code of the client or of the server. Match on the code, never on the message. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: string;
  /** Seconds after which a retry is worth it. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: string, message = '', retryAfterSeconds?: number) {
    super(message === '' ? code : message);
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** The server wants a key, or another one. */
  get needsKey(): boolean {
    return this.code === 'AUTH_TOKEN_MISSING' || this.code === 'AUTH_TOKEN_INVALID';
  }
}

export const clientProblem = (code: ClientProblemCode): Problem => new Problem(code);

export function toProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  return new Problem('CLIENT_ERROR', thrown instanceof Error ? thrown.message : String(thrown));
}
