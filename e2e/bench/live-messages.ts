/** What the bench and its processes of clients say to each other. Times are of the machine's monotonic clock, in ms. */

export type Transport = 'webrtc' | 'websocket';

export interface ClientStream {
  readonly index: number;
  /** Raw 16-bit samples for WebSocket, Ogg Opus for WebRTC. */
  readonly audioFile: string;
  /** When it starts, after the common start. */
  readonly offsetMs: number;
}

export type ToClients =
  | { readonly type: 'connect'; readonly serverUrl: string; readonly transport: Transport; readonly streams: readonly ClientStream[] }
  | { readonly type: 'play'; readonly startMs: number }
  /** Stop sending, end the sessions, tell the results. */
  | { readonly type: 'finish' };

export interface HeardWord {
  readonly text: string;
  /** Seconds from the lane's start. */
  readonly start: number;
  readonly end: number;
}

export interface HeardFinal {
  readonly words: readonly HeardWord[];
  readonly arrivedMs: number;
}

export interface ClientResult {
  readonly index: number;
  readonly chunkMs: number;
  /** When each chunk was sent. */
  readonly sentMs: readonly number[];
  readonly finals: readonly HeardFinal[];
  /** Empty if all went well. */
  readonly errors: readonly string[];
}

export type FromClients =
  | { readonly type: 'connected' }
  | { readonly type: 'results'; readonly results: readonly ClientResult[] }
  | { readonly type: 'failed'; readonly reason: string };

/** Monotonic, and the same in all processes of one machine. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;
