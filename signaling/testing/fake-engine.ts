import { EarshotError } from '../../src/core/errors.ts';
import type { IceCandidate, MediaEngine, Peer, PeerHandlers, TrackStats } from '../../src/core/media-engine.ts';

export const NO_STATS: TrackStats = {
  packetsReceived: 0,
  packetsLost: 0,
  packetsLate: 0,
  packetsRecovered: 0,
  recoveredByFec: 0,
  recoveredByRed: 0,
  recoveredByRetransmission: 0,
  packetsReordered: 0,
  retransmissionsAsked: 0,
  concealedSamples: 0,
  gapSamples: 0,
  jitterMs: 0,
  targetDelayMs: 0,
  bufferMs: 0,
  driftPpm: null,
  driftCorrectionSamples: 0,
  senderReports: 0,
  roundTripMs: null,
};

/** An offer with just what can be trickled to. */
export const FAKE_OFFER = 'v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:old1\r\na=ice-pwd:oldpassword\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n';
const FAKE_ANSWER = 'v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:mine\r\na=ice-pwd:mypassword\r\na=candidate:1 1 udp 1 192.0.2.2 9 typ host\r\n';

/** A peer whose far side is the test. Refuses offers that do not begin with `offer`. */
export class FakePeer implements Peer {
  readonly handlers: PeerHandlers;
  readonly offers: string[] = [];
  readonly candidates: (IceCandidate | null)[] = [];
  closes = 0;
  readonly #onClose: () => void;

  constructor(handlers: PeerHandlers, onClose: () => void) {
    this.handlers = handlers;
    this.#onClose = onClose;
  }

  async answer(offerSdp: string): Promise<string> {
    this.offers.push(offerSdp);
    if (offerSdp === FAKE_OFFER || this.offers[0] === FAKE_OFFER) return FAKE_ANSWER;
    if (!offerSdp.startsWith('offer')) throw new EarshotError('SDP_INVALID', 'Not an offer.');
    return 'answer';
  }

  async addCandidate(candidate: IceCandidate | null): Promise<void> {
    this.candidates.push(candidate);
  }

  async close(): Promise<void> {
    this.closes += 1;
    if (this.closes > 1) return;
    this.#onClose();
    this.handlers.state('closed');
  }
}

export class FakeEngine implements MediaEngine {
  readonly id = 'fake';
  readonly iceServers = [{ urls: 'stun:stun.example' }];
  readonly peers: FakePeer[] = [];
  peerCount = 0;
  readonly #maxPeers: number;

  constructor(maxPeers = 10) {
    this.#maxPeers = maxPeers;
  }

  createPeer(handlers: PeerHandlers): FakePeer {
    if (this.peerCount >= this.#maxPeers) throw new EarshotError('CAPACITY_EXCEEDED', 'No more peers.', { retryAfterSeconds: 5 });
    this.peerCount += 1;
    const peer = new FakePeer(handlers, () => {
      this.peerCount -= 1;
    });
    this.peers.push(peer);
    return peer;
  }

  async close(): Promise<void> {
    await Promise.all(this.peers.map((peer) => peer.close()));
  }
}
