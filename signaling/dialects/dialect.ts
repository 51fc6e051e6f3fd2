import type { SessionWish } from '../../src/core/admission.ts';
import type { AudioFormat } from '../../src/core/audio.ts';
import type { EarshotError } from '../../src/core/errors.ts';
import type { NumberedEvent } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';

/** What a client wants of its session, in the core's terms. */
export interface StreamRequest extends Omit<SessionWish, 'transport' | 'priority' | 'jobId'> {
  readonly format: AudioFormat;
}

/** What one message asks for. */
export type Command =
  | { readonly type: 'open'; readonly request: StreamRequest }
  | { readonly type: 'audio'; readonly bytes: Uint8Array }
  /** End the open utterances now and go on. */
  | { readonly type: 'flush' }
  /** No more audio: deliver what is left and close. */
  | { readonly type: 'finish' };

/** The last words to a client. */
export interface Farewell {
  readonly messages: readonly string[];
  readonly closeCode: number;
}

/**
 * One client's side of a wire protocol: a pure codec with a memory of its own, no sockets, no timers.
 * `decode` throws `EarshotError` for what the protocol does not allow.
 */
export interface Conversation {
  decode(message: WireMessage): readonly Command[];
  encode(event: NumberedEvent): readonly string[];
  fail(error: EarshotError): Farewell;
}
