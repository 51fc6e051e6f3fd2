/** Between the benchmark and its sender. */
export type SenderCommand =
  | { readonly kind: 'offer'; readonly id: number; readonly srtpProfile: 1 | 7 }
  | { readonly kind: 'answer'; readonly id: number; readonly sdp: string }
  /** Streams without WebRTC: their master keys and salts, hexadecimal. */
  | { readonly kind: 'bare'; readonly port: number; readonly srtpProfile: 1 | 7; readonly masters: readonly string[] }
  | { readonly kind: 'play'; readonly seconds: number };

export type SenderReply =
  | { readonly kind: 'offer'; readonly id: number; readonly sdp: string }
  | { readonly kind: 'connected'; readonly id: number }
  | { readonly kind: 'sent'; readonly packets: number }
  | { readonly kind: 'failed'; readonly reason: string };

/** Between the benchmark and any receiver: by IPC, or as lines of JSON on its standard input and output. */
export type ReceiverCommand =
  | { readonly kind: 'offer'; readonly id: number; readonly sdp: string }
  | { readonly kind: 'bare'; readonly srtpProfile: 1 | 7; readonly masters: readonly string[] }
  /** Counts begin anew. */
  | { readonly kind: 'start' }
  | { readonly kind: 'stop' };

export type ReceiverReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly sdp: string }
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'started' }
  /** Samples are at 16 kHz; a receiver that cannot measure its loop says 0. */
  | { readonly kind: 'stopped'; readonly packets: number; readonly samples: number; readonly loopP99Ms: number }
  | { readonly kind: 'failed'; readonly reason: string };
