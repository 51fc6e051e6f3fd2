import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AudioDecoder, AudioFormat, AudioSource } from '../src/core/audio.ts';
import { BoundedQueue } from '../src/core/bounded-queue.ts';
import { toEarshotError } from '../src/core/errors.ts';
import type { Session } from '../src/core/session/session.ts';
import type { ObserveStage } from '../src/core/stages.ts';
import type { CloseReason } from '../src/core/transcript.ts';
import type { Command } from './dialects/dialect.ts';

export interface AudioIntakeOptions {
  readonly decode: AudioDecoder;
  /** Ends the decoder. */
  readonly signal: AbortSignal;
  /** Told how long each piece of audio waited to be decoded: `queue`. */
  readonly observe?: ObserveStage;
}

/** What a client wishes at its place among the audio. */
export type AudioWish = Extract<Command, { readonly type: 'flush' | 'endpointing' }>;

/** Audio that a client sent, and when it came; or a wish. */
type Arrived = { readonly type: 'audio'; readonly bytes: Uint8Array; readonly atMs: number } | AudioWish;

/** Encoded audio that may wait for the decoder; then the client is paused. */
const MAX_QUEUED_AUDIO_BYTES = 512 * 1024;
/** A wish in the queue counts as so many bytes, so that wishes alone fill it too. */
const WISH_WEIGHT = 1024;

/** Encoded audio of one client on its way into the lanes of a session: bytes -> bounded queue -> AudioDecoder -> lanes. */
export class AudioIntake {
  readonly #options: AudioIntakeOptions;
  readonly #queue = new BoundedQueue<Arrived>({ maxWeight: MAX_QUEUED_AUDIO_BYTES, weigh: (item) => (item.type === 'audio' ? item.bytes.length : WISH_WEIGHT) });
  readonly #over = Promise.withResolvers<CloseReason | 'released'>();
  #hasLanes = false;

  constructor(options: AudioIntakeOptions) {
    this.#options = options;
  }

  get ended(): boolean {
    return this.#queue.ended;
  }

  /** Takes the bytes at once; resolves when there is room for more. */
  push(bytes: Uint8Array): Promise<void> {
    return this.#queue.push({ type: 'audio', bytes, atMs: performance.now() });
  }

  /** Is granted once the audio before is heard. */
  wish(wish: AudioWish): Promise<void> {
    return this.#queue.push(wish);
  }

  /** No more audio: what came is heard, and the session closed for this reason. The first call counts. */
  end(reason: CloseReason): void {
    this.#over.resolve(reason);
    this.#queue.end();
  }

  /** No more audio comes this way: what came is heard, and the session goes on. */
  release(): void {
    this.#over.resolve('released');
    this.#queue.end();
  }

  discard(): void {
    this.end('abandoned');
    this.#queue.discard();
  }

  /** Hears all there is and closes the session once the client is at its end: that of a recording which tells its length may come before, and is not the client's. `addLanes` takes what it is decoded to, by default as new lanes. Never rejects: a failure destroys the session. */
  async feed(session: Session, format: AudioFormat, addLanes = lanesOf(session)): Promise<void> {
    try {
      const audio = await this.#options.decode(this.#take(session), format, this.#options.signal);
      addLanes(audio.lanes);
      this.#hasLanes = true;
      await session.settled();
      const reason = await this.#over.promise;
      if (reason !== 'released') await session.close(reason);
    } catch (error) {
      await session.destroy(toEarshotError(error));
    }
  }

  async *#take(session: Session): AsyncGenerator<Uint8Array, void, void> {
    for await (const item of this.#queue) {
      if (item.type === 'audio') {
        this.#options.observe?.('queue', performance.now() - item.atMs);
        session.countBytes(item.bytes.length);
        yield item.bytes;
      } else {
        // The decoder asks for more once the lanes hold all that it was given: the wish is for what came before, and nothing after.
        // If there are no lanes yet, they are about to be, or there is not enough audio for any.
        if (!this.#hasLanes) await nextTurn();
        if (item.type === 'flush') void session.flush();
        else session.setEndpointing(item.options);
      }
    }
  }
}

const lanesOf = (session: Session) => (lanes: readonly AudioSource[]): void => {
  for (const [index, lane] of lanes.entries()) session.addLane(lane, `channel ${String(index)}`);
};
