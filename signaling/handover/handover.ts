import type { AudioSource } from '../../src/core/audio.ts';
import type { Session } from '../../src/core/session/session.ts';
import { MARGIN_SAMPLES, SplicedSource, type Way } from './spliced-source.ts';

export interface HandoverHandlers {
  /** The session's peer has closed, for whatever reason. */
  lost(): void;
  /** Some of what a peer's track carried was lost, and waits for the client to go on over a stream from before that. */
  holed(): void;
  /** A peer has the client, which no stream has: nobody need be waited for. */
  found(): void;
}

/**
 * The lanes of one session between the ways in that carry it one after the other: a peer's tracks, a stream, the tracks of another peer. The n-th track or channel
 * of each is the n-th lane.
 *
 *   peer ---cut---> stream ---leave---> peer ---cut---> ...
 *
 * Tracks that come while a stream has the lanes wait for it to be left; they are bounded by themselves.
 */
export class Handover {
  readonly #lanes: SplicedSource[] = [];
  readonly #handlers: HandoverHandlers;
  /** Of the peer that is there, or was last. */
  #tracks: AudioSource[] = [];
  #closePeer: () => Promise<void> = () => Promise.resolve();
  #hasPeer = false;
  #streaming = false;

  constructor(handlers: HandoverHandlers) {
    this.#handlers = handlers;
  }

  /** A stream has the lanes; tracks wait. */
  get isBridged(): boolean {
    return this.#streaming;
  }

  /** A peer, the first or another, whose tracks come from now on, and how it is closed. The returned function is called when it has. */
  own(closePeer: () => Promise<void>): () => void {
    const tracks: AudioSource[] = [];
    this.#tracks = tracks;
    this.#closePeer = closePeer;
    this.#hasPeer = true;
    if (!this.#streaming) this.#handlers.found();
    return () => {
      if (this.#tracks !== tracks) return;
      this.#hasPeer = false;
      if (!this.#streaming) this.#handlers.lost();
    };
  }

  /** The next track of the peer. Answers what a new lane is to hear; undefined where one that is there goes on with it, or a stream, which may have sent nothing yet, is to be left first. */
  splice(source: AudioSource): AudioSource | undefined {
    const index = this.#tracks.push(source) - 1;
    const lane = this.#lanes[index];
    if (this.#streaming) return undefined;
    if (!lane) return this.#newLane(source, 'track');
    lane.continueWith({ kind: 'track', source, overlapSamples: 0 });
    return undefined;
  }

  /** Gives the peer up for a stream. Resolves with the lane position from which the client is to send again, in samples; undefined where it is all. Repeated, the same. */
  async cut(): Promise<number | undefined> {
    this.#streaming = true;
    await this.#closePeer();
    const [first] = await Promise.all(this.#lanes.map((lane) => lane.cut()));
    return first === undefined || first === 0 ? undefined : first - MARGIN_SAMPLES;
  }

  /** What the client sends now goes on where its tracks were cut; without a track it is new. */
  goOn(session: Session, channels: readonly AudioSource[]): void {
    for (const [index, source] of channels.entries()) {
      const lane = this.#lanes[index];
      if (lane) lane.continueWith({ kind: 'stream', source, overlapSamples: MARGIN_SAMPLES });
      else session.addLane(this.#newLane(source, 'stream'), `channel ${String(index)}`);
    }
    for (const lane of this.#lanes.slice(channels.length)) lane.close();
  }

  /** The stream is given up for the peer's tracks, whose first `overlapSamples` it has carried as well; 0: none. */
  leave(session: Session, overlapSamples: number): void {
    this.#streaming = false;
    for (const [index, lane] of this.#lanes.entries()) {
      lane.left();
      const source = this.#tracks[index];
      if (source) lane.continueWith({ kind: 'track', source, overlapSamples });
    }
    for (const [index, source] of this.#tracks.entries()) {
      if (!this.#lanes[index]) session.addLane(this.#newLane(source, 'track'), `track ${String(index)}`, { joins: true });
    }
    if (!this.#hasPeer) this.#handlers.lost();
  }

  #newLane(source: AudioSource, kind: Way['kind']): SplicedSource {
    const lane = new SplicedSource(source, kind, () => {
      if (!this.#streaming) this.#handlers.holed();
    });
    this.#lanes.push(lane);
    return lane;
  }
}
