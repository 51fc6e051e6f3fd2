import type { Problem } from '../problem.ts';
import type { Delta } from '../wire.ts';

export type TransportKind = 'webrtc' | 'websocket';

export interface TransportStats {
  readonly roundTripMs?: number;
  /** Packets that the server missed, since the start. */
  readonly packetsLost?: number;
  /** Sound that waits in this page to be sent. */
  readonly queuedMs?: number;
}

export interface TransportSink {
  delta(delta: Delta): void;
  /** The stream is beyond repair; at most once, nothing follows. */
  failed(problem: Problem): void;
}

/** One stream of microphone sound to the server, with its captions coming back. */
export interface Transport {
  readonly kind: TransportKind;
  /** The sample of the capture at which the stream's time begins. */
  readonly startSample: number;
  stats(): Promise<TransportStats>;
  /** Another microphone was chosen. */
  useTrack(track: MediaStreamTrack): Promise<void>;
  /** Ends the stream; resolves when the last final has come. Rejects with a Problem if it cannot. */
  finish(): Promise<void>;
  /** Drops the stream at once. Idempotent; no handler is called afterwards. */
  abandon(): void;
}

export const LANGUAGE_HINT = 'en';

/** How long the server may take for the last finals, in milliseconds. */
export const FINISH_TIMEOUT_MS = 15_000;
