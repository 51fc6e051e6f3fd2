import type { NumberedEvent } from '../src/core/transcript.ts';
import type { ByteRange } from './audio-ledger.ts';
import type { Conversation, StreamRequest } from './dialects/dialect.ts';

/** A conversation whose client tells by what it repeats what it has not been told was received. It lives as long as the session. */
export interface ResumableConversation extends Conversation {
  /** These bytes need not be sent again. */
  acknowledge(range: ByteRange): readonly string[];
}

/** A client that does not say where it goes on. */
export interface GuessedClient {
  readonly conversation: ResumableConversation;
  readonly format: StreamRequest['format'];
  /** Bytes of one sample of all channels. */
  readonly frameBytes: number;
  /** Whether the client is told what arrived. */
  readonly acknowledging: boolean;
}

/** Works on what was heard, beside the session, and says what it finds with the stream's `say`. */
export interface Companion {
  /** The client was told of this. */
  heard(event: NumberedEvent): void;
  /** All but the session's last event was told. Resolves once there is nothing left to find; never rejects. */
  settled(): Promise<void>;
}
