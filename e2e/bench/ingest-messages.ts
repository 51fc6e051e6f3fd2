import type { Sound } from './opus-sound.ts';

/** Between the benchmark and its sender. */
export type SenderCommand =
  | { readonly kind: 'offer'; readonly id: number; readonly srtpProfile: 1 | 7 }
  | { readonly kind: 'answer'; readonly id: number; readonly sdp: string }
  /** Streams without WebRTC: their master keys and salts, hexadecimal. */
  | { readonly kind: 'bare'; readonly port: number; readonly srtpProfile: 1 | 7; readonly masters: readonly string[] }
  /** Says `warm` after so many seconds of it, pauses, and says `sent` at the end. */
  | { readonly kind: 'play'; readonly sound: Sound; readonly warmSeconds: number; readonly seconds: number };

export type SenderReply =
  | { readonly kind: 'offer'; readonly id: number; readonly sdp: string }
  | { readonly kind: 'connected'; readonly id: number }
  | { readonly kind: 'gone'; readonly id: number }
  | { readonly kind: 'warm' }
  /** Since the pause; `late` by more than a packet's time, or never sent. */
  | { readonly kind: 'sent'; readonly packets: number; readonly late: number }
  | { readonly kind: 'failed'; readonly reason: string };

/** Between the benchmark and any receiver: by IPC, or as lines of JSON on its standard input and output. */
export type ReceiverCommand =
  /** `keep`: what is heard is kept, for `hang-up` to write. */
  | { readonly kind: 'offer'; readonly id: number; readonly sdp: string; readonly keep?: boolean }
  /** Ends the peer with this id and writes what it said, gaps as silence, to `file`: 16 kHz, mono, 16 bit, no header. */
  | { readonly kind: 'hang-up'; readonly id: number; readonly file: string }
  | { readonly kind: 'bare'; readonly srtpProfile: 1 | 7; readonly masters: readonly string[] }
  /** Counts begin anew. */
  | { readonly kind: 'start' }
  | { readonly kind: 'stop' }
  /** From now on it is noted when audio comes to its lane. */
  | { readonly kind: 'record' }
  | { readonly kind: 'take' };

/** What one lane had, in order; times are of the machine's monotonic clock. */
export interface LaneRecord {
  readonly items: readonly (readonly [startSample: number, samples: number, atMs: number])[];
  /** Samples at which a mark began: sound after 200 ms of silence. */
  readonly onsets: readonly number[];
}

/** What became of a track's packets. */
export interface TrackCounts {
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly recoveredByFec: number;
  readonly recoveredByRed: number;
  readonly recoveredByRetransmission: number;
}

export type ReceiverReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly sdp: string }
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'started' }
  | ({ readonly kind: 'record' } & LaneRecord)
  | { readonly kind: 'hung-up'; readonly id: number; readonly stats: TrackCounts }
  /** Samples are at 16 kHz; a receiver that cannot measure its loop says 0. */
  | { readonly kind: 'stopped'; readonly packets: number; readonly samples: number; readonly loopP99Ms: number }
  | { readonly kind: 'failed'; readonly reason: string };
