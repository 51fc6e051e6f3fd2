import { EarshotError } from '../../src/core/errors.ts';
import type { IceCandidate, MediaEngine, Peer, PeerHandlers, TrackStats } from '../../src/core/media-engine.ts';

export const NO_STATS: TrackStats = {
  packetsReceived: 0,
  packetsLost: 0,
  packetsLate: 0,
  packetsRecovered: 0,
  concealedSamples: 0,
  gapSamples: 0,
  jitterMs: 0,
  bufferMs: 0,
};

/** A peer whose far side is the test. Refuses offers that are not `offer`. */
export class FakePeer implements Peer {
  readonly handlers: PeerHandlers;
  readonly candidates: (IceCandidate | null)[] = [];
  closes = 0;
  readonly #onClose: () => void;

  constructor(handlers: PeerHandlers, onClose: () => void) {
    this.handlers = handlers;
    this.#onClose = onClose;
  }

  async answer(offerSdp: string): Promise<string> {
    if (offerSdp !== 'offer') throw new EarshotError('SDP_INVALID', 'Not an offer.');
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
