import type { SessionWish } from '../../src/core/admission.ts';
import type { AudioFormat } from '../../src/core/audio.ts';
import type { EarshotError } from '../../src/core/errors.ts';
import type { EndpointingOptions } from '../../src/core/session/endpointing.ts';
import type { Analysis, AnalysisRequest } from '../../src/core/text-analysis.ts';
import type { NumberedEvent } from '../../src/core/transcript.ts';
import type { WireMessage } from '../connection.ts';

/** What a client wants of its session, in the core's terms. */
export interface StreamRequest extends Omit<SessionWish, 'transport' | 'priority' | 'jobId'> {
  readonly format: AudioFormat;
}

/** Where a client goes on that has lost its connection, in its own words. */
export interface ResumePoint {
  readonly sessionId: string;
  readonly token: string;
  /** The next byte of its stream that it sends. */
  readonly position: number;
  /** The last event that it has seen. */
  readonly afterSeq: number;
}

/** What one message asks for. */
export type Command =
  | {
      readonly type: 'open';
      readonly request: StreamRequest;
      /** It wants to be told what arrived, and may come back. */
      readonly acknowledge?: boolean;
      /** It has come back. */
      readonly resume?: ResumePoint;
    }
  | { readonly type: 'audio'; readonly bytes: Uint8Array }
  /** End the open utterances at the audio sent so far and go on; answered by `session.flushed`. */
  | { readonly type: 'flush' }
  /** From here on among the audio, utterances end otherwise. */
  | { readonly type: 'endpointing'; readonly options: EndpointingOptions }
  /** Answer this at once. */
  | { readonly type: 'send'; readonly messages: readonly string[] }
  /** The client lives, though it sends no audio. */
  | { readonly type: 'keep-alive' }
  /** The audio goes on by another way, which has carried so much of it already. */
  | { readonly type: 'leave'; readonly overlapSeconds: number }
  /** No more audio: deliver what is left and close. */
  | { readonly type: 'finish' };

/** The last words to a client. */
export interface Farewell {
  readonly messages: readonly string[];
  readonly closeCode: number;
  /** Of the close frame. Default: the error's code. */
  readonly reason?: string;
}

/** What a session's events do not tell of it. */
export interface OpenedSession {
  /** Of the job that it becomes; null where nothing is kept. */
  readonly jobNumber: number | null;
  /** Longest it may be, as far as limits and budgets tell now; whole seconds. */
  readonly maxSeconds: number;
  /** The caller has no more than a token that ends its sessions early. */
  readonly isPreview: boolean;
}

/**
 * One client's side of a wire protocol: a pure codec with a memory of its own, no sockets, no timers.
 * `decode` throws `EarshotError` for what the protocol does not allow.
 */
export interface Conversation {
  /** What the address asks for already: the session is then opened before the upgrade, so that a refusal can still be plain HTTP. */
  readonly opening?: StreamRequest;
  /** What a language model is asked of each utterance: its final waits for the answer, and is encoded with it. With `opening` only. */
  readonly analysis?: AnalysisRequest | undefined;
  /** Time that a client has until it asks for its session, in ms. Default: the gateway's. */
  readonly openTimeoutMs?: number;
  /** What is done before the first message. */
  begin?(): readonly Command[];
  /** Called once the session is open, before any of its events; where it is absent, none of this is looked up. */
  opened?(session: OpenedSession): void;
  /** Called once the session is open: what asks for the language that is spoken in it, as far as that is known then. */
  hears?(language: () => string | undefined): void;
  decode(message: WireMessage): readonly Command[];
  /** `found`: of a final, where `analysis` asks for it. */
  encode(event: NumberedEvent, found?: Analysis): readonly string[];
  fail(error: EarshotError): Farewell;
}

/** Where and how a client knocks, before the upgrade. */
export interface DialectAddress {
  /** The one of the dialect's paths that was asked for, as the dialect wrote it. */
  readonly path: string;
  /** The named parts of the path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** `Sec-WebSocket-Protocol`, in the client's order. */
  readonly protocols: readonly string[];
  /** Names this connection in answers and logs. */
  readonly requestId: string;
}

/** An answer in plain HTTP instead of the upgrade. */
export interface HttpRefusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

/** A wire protocol: one file, registered in `index.ts`. Routes, fuzzing and vector tests follow from the registry. */
export interface StreamDialect {
  /** `deepgram`: names it in jobs, logs and documentation. */
  readonly id: string;
  /** Paths of its socket, with `:name` for a part that varies. */
  readonly paths: readonly string[];
  /** The secret that the client shows, wherever this protocol puts it; undefined where it shows none. */
  credential(address: DialectAddress): string | undefined;
  /** Checks the address and makes the codec for one connection; throws what refuses the upgrade. */
  converse(address: DialectAddress): Conversation;
  /** How this vendor refuses before the upgrade. */
  refuse(error: EarshotError, requestId: string): HttpRefusal;
  /** Which of the offered subprotocols is spoken. Default: none is named. */
  subprotocol?(offered: readonly string[]): string | undefined;
  /** Further headers of the accepted upgrade. */
  upgradeHeaders?(address: DialectAddress): Readonly<Record<string, string>>;
}
