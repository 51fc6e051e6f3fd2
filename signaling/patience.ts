/** How long a session waits for its client, in ms; then it hears out what it has. */
export interface Patience {
  /** For the first connection. Default 120 s. */
  readonly joinMs: number;
  /** After a lost connection; also for a client that has not received the end. Default 60 s. */
  readonly lostMs: number;
  /** After a connection that the client closed as one that goes away (1001). Default 5 s. */
  readonly awayMs: number;
  /** For any message on a connection. Default 60 s. */
  readonly idleMs: number;
}

/** The defaults. */
export const PATIENCE: Patience = { joinMs: 120_000, lostMs: 60_000, awayMs: 5000, idleMs: 60_000 };
