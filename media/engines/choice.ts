import { EarshotError } from '../../src/core/errors.ts';
import type { IceCandidate, IceServer, MediaEngine, Peer, PeerHandlers } from '../../src/core/media-engine.ts';
import { readConnection } from './connection-offer.ts';
import { type OfferLimits, readOffer } from './offer.ts';

export type EngineWish = 'auto' | 'mediasoup' | 'werift';

export interface EngineChoice {
  readonly engine: MediaEngine;
  /** Why it is not mediasoup, where it could have been. */
  readonly reason: string | undefined;
}

export interface EngineMakers {
  readonly mediasoup: () => Promise<MediaEngine>;
  readonly werift: () => MediaEngine;
}

/**
 * The engine that is wished for; with `auto` mediasoup where it starts, else werift. Beside mediasoup there is always a werift for the few
 * offers that mediasoup cannot serve. Rejects with what `mediasoup` rejects with if nothing else will do.
 */
export async function chooseEngine(wish: EngineWish, make: EngineMakers): Promise<EngineChoice> {
  if (wish === 'werift') return { engine: make.werift(), reason: undefined };
  try {
    return { engine: new EngineWithSubstitute(await make.mediasoup(), make.werift), reason: undefined };
  } catch (error) {
    if (wish === 'mediasoup' || !(error instanceof EarshotError) || error.code !== 'BACKEND_UNAVAILABLE') throw error;
    return { engine: make.werift(), reason: error.message };
  }
}

const ANY: OfferLimits = { maxSdpBytes: Infinity, maxTracks: Infinity, maxCandidates: Infinity };

/**
 * Can mediasoup serve this offer? It finds the section of a packet by SSRC or MID and not by payload type, and has one transport for all
 * sections. What is no offer at all is its to refuse. Pure.
 */
export function isForMediasoup(offerSdp: string): boolean {
  try {
    const offer = readOffer(offerSdp, ANY, false);
    const isFound = offer.sections.every((section) => !section.isReceivable || section.ssrcs.length > 0 || section.midExtensionId !== undefined);
    return isFound && readConnection(offer).otherMids.length === 0;
  } catch {
    return true;
  }
}

/** One engine, and another for the first offers that {@link isForMediasoup} says no to. */
class EngineWithSubstitute implements MediaEngine {
  readonly #engine: MediaEngine;
  readonly #makeSubstitute: () => MediaEngine;
  #substitute: MediaEngine | undefined;

  constructor(engine: MediaEngine, makeSubstitute: () => MediaEngine) {
    this.#engine = engine;
    this.#makeSubstitute = makeSubstitute;
  }

  get id(): string {
    return this.#engine.id;
  }

  get iceServers(): readonly IceServer[] {
    return this.#engine.iceServers;
  }

  get peerCount(): number {
    return this.#engine.peerCount + (this.#substitute?.peerCount ?? 0);
  }

  createPeer(handlers: PeerHandlers): Peer {
    return new SubstitutedPeer(this.#engine, () => (this.#substitute ??= this.#makeSubstitute()), handlers);
  }

  async close(): Promise<void> {
    await Promise.all([this.#engine.close(), this.#substitute?.close()]);
  }
}

class SubstitutedPeer implements Peer {
  readonly #substitute: () => MediaEngine;
  readonly #handlers: PeerHandlers;
  #peer: Peer;
  #isChosen = false;

  constructor(engine: MediaEngine, substitute: () => MediaEngine, handlers: PeerHandlers) {
    this.#substitute = substitute;
    this.#handlers = handlers;
    const first: Peer = engine.createPeer({
      ...handlers,
      state: (state) => {
        if (this.#peer === first) handlers.state(state);
      },
    });
    this.#peer = first;
  }

  async answer(offerSdp: string): Promise<string> {
    if (!this.#isChosen && !isForMediasoup(offerSdp)) {
      const first = this.#peer;
      this.#peer = this.#substitute().createPeer(this.#handlers);
      await first.close();
    }
    this.#isChosen = true;
    return this.#peer.answer(offerSdp);
  }

  addCandidate(candidate: IceCandidate | null): Promise<void> {
    return this.#peer.addCandidate(candidate);
  }

  close(): Promise<void> {
    return this.#peer.close();
  }
}
