import type { AudioSource } from './audio.ts';

export interface IceServer {
  readonly urls: string | readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

/** As in the browser's `RTCIceCandidateInit`; `null` ends the candidates. */
export interface IceCandidate {
  readonly candidate: string;
  readonly sdpMid?: string | null;
  readonly sdpMLineIndex?: number | null;
}

/** A remote audio track. Its source starts with the first packet and ends when the track or its peer does. */
export interface RemoteTrack {
  /** Stable name for people and logs: the media section's mid. */
  readonly label: string;
  readonly source: AudioSource;
  stats(): TrackStats;
}

/** Counted since the track began. */
export interface TrackStats {
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly packetsLate: number;
  readonly packetsRecovered: number;
  readonly concealedSamples: number;
  readonly gapSamples: number;
  readonly jitterMs: number;
  /** Time a packet waits in the jitter buffer now. */
  readonly bufferMs: number;
}

/** A data channel that the other side opened; messages in order. */
export interface RemoteChannel {
  readonly label: string;
  /** Messages from the first on, then the end, once. At most one listener. */
  listen(handlers: { message(data: string | Uint8Array): void; closed(): void }): void;
  /** Resolves when the other side has taken enough of what was sent before, or is gone. */
  send(text: string): Promise<void>;
  /** Idempotent. */
  close(): void;
}

export type PeerState = 'connecting' | 'connected' | 'disconnected' | 'closed';

export interface PeerHandlers {
  /** Once per remote audio track, in the order in which their media sections appear. */
  track(track: RemoteTrack): void;
  /** Default: data channels are left alone. */
  channel?(channel: RemoteChannel): void;
  /** `closed` comes last, exactly once. */
  state(state: PeerState): void;
}

/** One WebRTC peer connection. */
export interface Peer {
  /**
   * Takes an offer, first or later, and resolves with the answer.
   * Rejects with `SDP_INVALID`, `SDP_NO_AUDIO` or `MESSAGE_TOO_LARGE`; a rejected offer leaves the peer as it was.
   */
  answer(offerSdp: string): Promise<string>;
  /** Rejects with `ICE_CANDIDATE_INVALID`, or `SESSION_CONFLICT` before the first offer. `null` ends the candidates. */
  addCandidate(candidate: IceCandidate | null): Promise<void>;
  /** Idempotent. Ends every track's source after what was received. */
  close(): Promise<void>;
}

/** Makes peers. RTP stays on its side of this line: only PCM comes out. */
export interface MediaEngine {
  readonly id: string;
  readonly iceServers: readonly IceServer[];
  readonly peerCount: number;
  /** Throws `CAPACITY_EXCEEDED` above the configured number of peers. */
  createPeer(handlers: PeerHandlers): Peer;
  close(): Promise<void>;
}
