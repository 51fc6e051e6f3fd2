import type { ErrorCode } from '../../../src/core/errors.ts';
import type { IceCandidate, PeerState } from '../../../src/core/media-engine.ts';
import type { Stage } from '../../../src/core/stages.ts';
import type { EngineOptions } from '../engine-options.ts';
import type { MediasoupEngineOptions } from '../mediasoup.ts';
import type { WeriftEngineOptions } from '../werift.ts';
import type { AudioBatch } from './audio-batch.ts';
import type { SharedStats } from './shared-stats.ts';

/** Settings that can be sent to another thread. */
export type Sendable<Options extends EngineOptions> = Omit<Options, 'clock' | 'onWarning' | 'track'> & {
  readonly track?: SendableTrack;
};
export type SendableTrack = Omit<NonNullable<EngineOptions['track']>, 'observe'>;

/** What the engine of another thread is made of. */
export type ThreadEngineOptions =
  | { readonly kind: 'werift'; readonly settings: Sendable<WeriftEngineOptions> }
  | { readonly kind: 'mediasoup'; readonly settings: Sendable<MediasoupEngineOptions> };

export interface ThreadData {
  readonly options: ThreadEngineOptions;
  /** Count of batches that the main thread has taken, shared, at index 0. */
  readonly taken: Int32Array<SharedArrayBuffer>;
}

/** To a thread. Questions carry a number; each is answered once, with `done` or `failed`. */
export type ThreadCommand =
  /** Answered when the engine has started. */
  | { readonly kind: 'start'; readonly question: number }
  | { readonly kind: 'create'; readonly peer: number }
  | { readonly kind: 'answer'; readonly question: number; readonly peer: number; readonly sdp: string }
  | { readonly kind: 'candidate'; readonly question: number; readonly peer: number; readonly candidate: IceCandidate | null }
  | { readonly kind: 'close'; readonly question: number; readonly peer: number }
  | { readonly kind: 'stop'; readonly question: number }
  | { readonly kind: 'close-track'; readonly track: number }
  | { readonly kind: 'retract'; readonly track: number }
  | { readonly kind: 'listen'; readonly channel: number }
  | { readonly kind: 'send'; readonly question: number; readonly channel: number; readonly text: string }
  | { readonly kind: 'close-channel'; readonly channel: number };

/** From a thread, in the order in which things happened. */
export type ThreadEvent =
  | { readonly kind: 'done'; readonly question: number; readonly text: string }
  | { readonly kind: 'failed'; readonly question: number; readonly code: ErrorCode; readonly message: string; readonly retryAfterSeconds?: number }
  | { readonly kind: 'state'; readonly peer: number; readonly state: PeerState }
  | { readonly kind: 'reconnect'; readonly peer: number }
  | { readonly kind: 'track'; readonly peer: number; readonly track: number; readonly label: string; readonly stats: SharedStats }
  | { readonly kind: 'audio'; readonly batch: AudioBatch }
  | { readonly kind: 'track-end'; readonly track: number }
  | { readonly kind: 'channel'; readonly peer: number; readonly channel: number; readonly label: string }
  | { readonly kind: 'message'; readonly channel: number; readonly data: string | Uint8Array }
  | { readonly kind: 'channel-end'; readonly channel: number }
  | { readonly kind: 'stages'; readonly observed: readonly (readonly [Stage, number])[] }
  | { readonly kind: 'warning'; readonly message: string; readonly reason: string };
