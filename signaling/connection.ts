/** What arrives on a connection: a text frame as string, a binary frame as bytes. */
export type WireMessage = string | Uint8Array;

/**
 * One client, whatever carries it. The transport pauses the sender while `messages` is not read,
 * so memory stays bounded however fast the client is.
 */
export interface Connection {
  /** In order; ends when the client is gone. One consumer. */
  readonly messages: AsyncIterable<WireMessage>;
  /** Resolves when the client is gone, by whichever side. */
  readonly closed: Promise<void>;
  /** How the client closed, once it is gone: its close code; 1006 where the connection was lost without one. */
  readonly closeCode: number | undefined;
  /** Hands a text frame over; resolves when the client has read enough of what was sent before (or is gone). */
  send(text: string): Promise<void>;
  /** Resolves with true once the client has received everything sent so far, with false if it is gone before. */
  confirm(): Promise<boolean>;
  /**
   * Sends a close frame after what was sent; drops the connection if the client does not answer in time. Idempotent.
   * `messages` ends at once.
   */
  close(code: number, reason: string): void;
}
