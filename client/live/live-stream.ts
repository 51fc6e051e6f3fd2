import type { Delta, Ready } from '../frames.ts';
import { clientProblem, type Problem } from '../problem.ts';
import type { Server } from '../server.ts';
import { PushedFeed } from './audio-feed.ts';
import { ResumableStream } from './resumable-stream.ts';

export interface LiveStreamOptions {
  /** Of the bytes: `audio/wav` (default), `audio/mpeg`, `audio/webm`, ..., `audio/pcm` for 16-bit little-endian samples. */
  readonly mediaType?: string;
  /** Of `audio/pcm`. Default 16000. */
  readonly sampleRateHz?: number;
  /** Of `audio/pcm`, interleaved. Default 1. */
  readonly channels?: number;
  /** Further fields of `open`: `language_hint`, `model`, `diarize`, ... */
  readonly wish?: Readonly<Record<string, unknown>>;
  /** Bytes that are held for the server before `send` waits. Default 4 MiB. */
  readonly maxHeldBytes?: number;
}

export interface LiveStreamEvents {
  ready?(ready: Ready): void;
  /** A state of an utterance; it replaces the one before with its `segmentId`. */
  delta?(delta: Delta): void;
  /** The connection was lost, and the next is on its way; nothing is. */
  lost?(): void;
  resumed?(): void;
  /** It ended by itself: the session is gone. `finish` rejects with the same. */
  failed?(problem: Problem): void;
}

/** Audio that is handed over as bytes, and its text while it comes. Connections that are lost are made again, and nothing is lost with them. */
export class LiveStream {
  readonly #feed: PushedFeed;
  readonly #stream: ResumableStream;
  #ended = false;

  constructor(server: Server, events: LiveStreamEvents, options: LiveStreamOptions = {}) {
    const { mediaType = 'audio/wav', sampleRateHz, channels, wish, maxHeldBytes = 4 * 1024 * 1024 } = options;
    this.#feed = new PushedFeed(maxHeldBytes);
    const open = { ...wish, media_type: mediaType, ...(sampleRateHz !== undefined && { sample_rate: sampleRateHz }), ...(channels !== undefined && { channels }) };
    this.#stream = new ResumableStream(server, { open, feed: () => this.#feed }, {
      ready: (ready) => events.ready?.(ready),
      delta: (delta) => events.delta?.(delta),
      lost: () => events.lost?.(),
      resumed: () => events.resumed?.(),
      failed: (problem) => {
        this.#ended = true;
        this.#feed.release();
        events.failed?.(problem);
      },
    });
  }

  /** Resolves when the server has opened the session. Rejects with a Problem where it refuses. */
  get opened(): Promise<void> {
    return this.#stream.opened;
  }

  get sessionId(): string | undefined {
    return this.#stream.sessionId;
  }

  /** Hands bytes over; resolves when there is room for more. Rejects with `CONNECTION_LOST` once the session is gone. */
  async send(bytes: Uint8Array): Promise<void> {
    if (!this.#ended) await this.#feed.push(bytes);
    if (this.#ended) throw clientProblem('CONNECTION_LOST');
  }

  /** Ends open utterances now; they come as finals. */
  flush(): void {
    this.#stream.flush();
  }

  /** Resolves when all was heard and the last final has come. Rejects with a Problem. */
  finish(): Promise<void> {
    return this.#stream.finish();
  }

  /** Drops it. Idempotent. */
  abandon(): void {
    this.#ended = true;
    this.#stream.abandon();
    this.#feed.release();
  }
}
