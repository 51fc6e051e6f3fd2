import type { Delta, LiveStatus, Problem, Transport } from '../../client/browser.ts';

/** `auto` tries WebRTC and falls back; the others use one way and no other. */
export type TransportChoice = 'auto' | Transport;

export type CaptionsStatus = { readonly phase: 'idle' } | { readonly phase: 'opening-microphone' } | Exclude<LiveStatus, { readonly phase: 'ended' }>;

export interface CaptionsEvents {
  status(status: CaptionsStatus): void;
  /** A new stream follows; its second zero lies so long after this capture began. Before its first delta. */
  streamStarted(offsetSeconds: number): void;
  delta(delta: Delta): void;
  /** Smoothed; after deltas that bring something new. */
  captionDelay(delayMs: number): void;
  level(rms: number, peak: number): void;
  /** The WebSocket takes the place of WebRTC, which could not connect or, once connected, was lost. */
  fellBack(wasConnected: boolean): void;
  /** Captions ended because of it; the status is `idle` again. */
  problem(problem: Problem): void;
}
