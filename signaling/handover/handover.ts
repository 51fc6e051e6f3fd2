import type { AudioSource } from '../../src/core/audio.ts';
import type { Session } from '../../src/core/session/session.ts';
import { MARGIN_SAMPLES, SplicedSource } from './spliced-source.ts';

/** The lanes of one WebRTC session, on their way to whatever takes its peer's place. */
export class Handover {
  readonly #sources: SplicedSource[] = [];
  #closePeer: () => Promise<void> = () => Promise.resolve();
  readonly #onLost: () => void;

  /** `onLost`: the peer has closed, for whatever reason. */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
  }

  /** The source of a track, which can be followed by another. */
  splice(source: AudioSource): AudioSource {
    const spliced = new SplicedSource(source);
    this.#sources.push(spliced);
    return spliced;
  }

  /** How the peer is closed that the tracks belong to. */
  own(closePeer: () => Promise<void>): void {
    this.#closePeer = closePeer;
  }

  lost(): void {
    this.#onLost();
  }

  /** Gives the peer up. Resolves with the lane position from which the client is to send again, in samples; undefined where it is all. Repeated, the same. */
  async cut(): Promise<number | undefined> {
    await this.#closePeer();
    const [first] = await Promise.all(this.#sources.map((source) => source.cut()));
    return first === undefined || first === 0 ? undefined : first - MARGIN_SAMPLES;
  }

  /** What the client sends now goes on where its tracks were cut; without a track it is new. */
  goOn(session: Session, lanes: readonly AudioSource[]): void {
    for (const [index, lane] of lanes.entries()) {
      const source = this.#sources[index];
      if (source) source.continueWith(lane);
      else session.addLane(lane, `channel ${String(index)}`);
    }
    for (const source of this.#sources.slice(lanes.length)) source.close();
  }
}
