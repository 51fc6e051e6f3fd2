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

/** Counted since the track began. What is in ms is as it is now. */
export interface TrackStats {
  /** Every packet but duplicates, late ones included. */
  readonly packetsReceived: number;
  /** Did not come in time, or were corrupt, those that `packetsRecovered` made good by a copy included. */
  readonly packetsLost: number;
  /** Came when their place was already filled, or were more audio than time had passed for. */
  readonly packetsLate: number;
  /** The sum of the next three. */
  readonly packetsRecovered: number;
  /** Out of the low-rate copy in the packet behind (in-band FEC). */
  readonly recoveredByFec: number;
  /** Out of the whole copy in a packet behind (RED). */
  readonly recoveredByRed: number;
  /** Sent again because they were asked for (NACK). These came in time and are not among the lost. */
  readonly recoveredByRetransmission: number;
  /** Came out of order, and were waited for. */
  readonly packetsReordered: number;
  /** Packets asked for again, each time counted. */
  readonly retransmissionsAsked: number;
  /** Audio made up for packets that did not come: by extrapolation, or out of FEC. */
  readonly concealedSamples: number;
  /** Lane time without audio. Silence that may yet be taken back ({@link AudioSource.retract}) is counted once that is known. */
  readonly gapSamples: number;
  /** Interarrival jitter (RFC 3550, section 6.4.1). */
  readonly jitterMs: number;
  /** How long a missing packet is waited for. */
  readonly targetDelayMs: number;
  /** How long the packet that is held back longest has waited for a missing one. */
  readonly bufferMs: number;
  /** How much faster the sender's audio clock runs than this server's, in parts per million; null until it is known. */
  readonly driftPpm: number | null;
  /** Samples added to the lane (positive) or taken out of it to hold it to this server's clock. */
  readonly driftCorrectionSamples: number;
  /** What the sender said of its clocks: it puts the lane in the right place beside those of other senders. */
  readonly senderReports: number;
  /** Null until it is known. */
  readonly roundTripMs: number | null;
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
  /**
   * The connection is gone through no fault of the client's; `disconnected` came before. A new offer, of a new connection
   * of the client's, resumes: tracks of the same mid go on. May come again. Default: the idle time closes the peer.
   */
  reconnect?(): void;
}

/** One WebRTC peer connection. */
export interface Peer {
  /**
   * Takes an offer, first or later, and resolves with the answer. One with another DTLS fingerprint is of a new connection
   * of the same client: it takes the place of the one before, and tracks whose mid it offers go on.
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
  /** Told to clients. Read anew for each: credentials may expire. */
  readonly iceServers: readonly IceServer[];
  readonly peerCount: number;
  /** Throws `CAPACITY_EXCEEDED` above the configured number of peers. */
  createPeer(handlers: PeerHandlers): Peer;
  close(): Promise<void>;
}
