import type { ErrorCode } from '../../../src/core/errors.ts';
import type { IceCandidate, PeerState } from '../../../src/core/media-engine.ts';
import type { Stage } from '../../../src/core/stages.ts';
import type { WeriftEngineOptions } from '../werift.ts';
import type { AudioBatch } from './audio-batch.ts';
import type { SharedStats } from './shared-stats.ts';

/** What an engine is made of in another thread: settings that can be sent there. */
export type ThreadEngineOptions = Omit<WeriftEngineOptions, 'clock' | 'onWarning' | 'track'> & {
  readonly track?: Omit<NonNullable<WeriftEngineOptions['track']>, 'observe'>;
};

export interface ThreadData {
  readonly options: ThreadEngineOptions;
  /** Count of batches that the main thread has taken, shared, at index 0. */
  readonly taken: Int32Array<SharedArrayBuffer>;
}

/** To a thread. Questions carry a number; each is answered once, with `done` or `failed`. */
export type ThreadCommand =
  | { readonly kind: 'create'; readonly peer: number }
  | { readonly kind: 'answer'; readonly question: number; readonly peer: number; readonly sdp: string }
  | { readonly kind: 'candidate'; readonly question: number; readonly peer: number; readonly candidate: IceCandidate | null }
  | { readonly kind: 'close'; readonly question: number; readonly peer: number }
  | { readonly kind: 'stop'; readonly question: number }
  | { readonly kind: 'close-track'; readonly track: number }
  | { readonly kind: 'listen'; readonly channel: number }
  | { readonly kind: 'send'; readonly question: number; readonly channel: number; readonly text: string }
  | { readonly kind: 'close-channel'; readonly channel: number };

/** From a thread, in the order in which things happened. */
export type ThreadEvent =
  | { readonly kind: 'done'; readonly question: number; readonly text: string }
  | { readonly kind: 'failed'; readonly question: number; readonly code: ErrorCode; readonly message: string; readonly retryAfterSeconds?: number }
  | { readonly kind: 'state'; readonly peer: number; readonly state: PeerState }
  | { readonly kind: 'track'; readonly peer: number; readonly track: number; readonly label: string; readonly stats: SharedStats }
  | { readonly kind: 'audio'; readonly batch: AudioBatch }
  | { readonly kind: 'track-end'; readonly track: number }
  | { readonly kind: 'channel'; readonly peer: number; readonly channel: number; readonly label: string }
  | { readonly kind: 'message'; readonly channel: number; readonly data: string | Uint8Array }
  | { readonly kind: 'channel-end'; readonly channel: number }
  | { readonly kind: 'stages'; readonly observed: readonly (readonly [Stage, number])[] }
  | { readonly kind: 'warning'; readonly message: string; readonly reason: string };
