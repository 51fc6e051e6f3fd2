import { FrameSocket } from '../frame-socket.ts';
import type { Delta, Ready, Resumed, ServerFrame } from '../frames.ts';
import { Problem, clientProblem, toProblem } from '../problem.ts';
import type { Server } from '../server.ts';
import type { AudioFeed } from './audio-feed.ts';

export interface ResumableStreamHandlers {
  /** A session begins here: once, and not if the stream goes on with one that is there. */
  ready?(ready: Ready): void;
  delta(delta: Delta): void;
  /** A socket was lost; the next is on its way. `resumed` follows, or the stream fails. */
  lost?(): void;
  /** A session goes on here. */
  resumed?(): void;
  /** Beyond repair; at most once, nothing follows. */
  failed(problem: Problem): void;
}

/** A session that is there already, from another way in. */
export interface SessionToResume {
  readonly sessionId: string;
  readonly token: string;
  readonly afterSeq: number;
}

export interface ResumableStreamOptions {
  /** Fields of `open`. */
  readonly open: Readonly<Record<string, unknown>>;
  /** The audio; given what the server says, where a session goes on. */
  readonly feed: (resumed: Resumed | undefined) => AudioFeed;
  readonly session?: SessionToResume;
}

/** Above this much unsent audio the pump waits; what is not sent yet stays in the feed. */
const MAX_BUFFERED_BYTES = 256 * 1024;
const PUMP_EVERY_MS = 50;
const ANSWER_TIMEOUT_MS = 10_000;
/** A server that has acknowledged nothing for so long, though there is something, is out of reach. */
const SILENCE_MS = 15_000;
/** Waits between attempts to come back, in milliseconds; together less than the server waits. */
const DELAYS_MS = [0, 250, 500, 1000, 2000, 3000, 4000, 5000, 6000] as const;

/**
 * Audio to `stream/transcribe`, and its captions back, over as many sockets as it takes: what the server has not acknowledged is sent again, and events go on
 * behind the last that came.
 */
export class ResumableStream {
  readonly #server: Server;
  readonly #options: ResumableStreamOptions;
  readonly #handlers: ResumableStreamHandlers;
  readonly #ready = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  #session: SessionToResume | undefined;
  #lastSeq = 0;
  #feed: AudioFeed | undefined;
  #socket: FrameSocket | undefined;
  /** Next byte to be sent on this socket; undefined until the server has answered. */
  #cursor: number | undefined;
  #acknowledged = 0;
  /** Where this socket's bytes begin. */
  #announced = 0;
  #lastSignMs = 0;
  #attempts = 0;
  #finishing = false;
  /** Where the stream ends, and how much of it the way has carried that goes on. */
  #leaving: { readonly endPosition: number; readonly overlapSeconds: number } | undefined;
  #endSent = false;
  #over = false;
  #pumpTimer: ReturnType<typeof setInterval> | undefined;
  #waitTimer: ReturnType<typeof setTimeout> | undefined;
  #stopListening: () => void = () => undefined;

  constructor(server: Server, options: ResumableStreamOptions, handlers: ResumableStreamHandlers) {
    this.#server = server;
    this.#options = options;
    this.#handlers = handlers;
    this.#session = options.session;
    this.#lastSeq = options.session?.afterSeq ?? 0;
    this.#ready.promise.catch(() => undefined);
    this.#done.promise.catch(() => undefined);
    this.#connect();
  }

  /** Resolves when the server takes audio. Rejects with what refused it. */
  get opened(): Promise<void> {
    return this.#ready.promise;
  }

  get sessionId(): string | undefined {
    return this.#session?.sessionId;
  }

  /** Bytes that the server has not acknowledged. */
  get unacknowledgedBytes(): number {
    return (this.#feed?.endPosition ?? 0) - this.#acknowledged;
  }

  /** Ends open utterances now; they come as finals. */
  flush(): void {
    this.#socket?.send({ type: 'flush' });
  }

  /** Everything that the feed holds is sent; resolves when the last final has come. Rejects with a Problem. */
  finish(): Promise<void> {
    this.#finishing = true;
    this.#pump();
    return this.#done.promise;
  }

  /**
   * The audio goes on by another way, which has carried the last so many seconds of it already. Resolves with the last event's number once the server has all that the
   * feed holds now. Rejects with a Problem; not if it is abandoned.
   */
  async leave(overlapSeconds: number): Promise<number> {
    this.#leaving ??= { endPosition: this.#feed?.endPosition ?? 0, overlapSeconds };
    this.#pump();
    await this.#done.promise;
    return this.#lastSeq;
  }

  /** Idempotent; no handler is called afterwards. */
  abandon(): void {
    this.#over = true;
    clearInterval(this.#pumpTimer);
    clearTimeout(this.#waitTimer);
    this.#stopListening();
    this.#socket?.close();
  }

  #connect(): void {
    this.#cursor = undefined;
    this.#endSent = false;
    const socket = new FrameSocket(this.#server.WebSocket, this.#server.socketUrl('stream/transcribe'), {
      open: () => {
        socket.send({ type: 'open', ...this.#options.open, acknowledge: true, ...this.#resumeField() });
      },
      frame: (frame) => {
        this.#lastSignMs = performance.now();
        this.#receive(frame);
      },
      closed: ({ opened }) => {
        if (opened || this.#session) this.#lose();
        else void this.#server.explainRefusedSocket().then((problem) => this.#fail(problem));
      },
    });
    this.#socket = socket;
    clearTimeout(this.#waitTimer);
    this.#waitTimer = setTimeout(() => this.#lose(), ANSWER_TIMEOUT_MS);
  }

  #resumeField(): object {
    const session = this.#session;
    this.#announced = this.#acknowledged;
    if (!session) return {};
    return { resume: { session_id: session.sessionId, token: session.token, position: this.#announced, after_seq: this.#lastSeq } };
  }

  #receive(frame: ServerFrame): void {
    switch (frame.type) {
      case 'ready':
        if (frame.sessionId !== undefined && frame.resumeToken !== undefined) this.#session ??= { sessionId: frame.sessionId, token: frame.resumeToken, afterSeq: 0 };
        this.#lastSeq = Math.max(1, this.#lastSeq);
        // A session that goes on has told it before.
        // Behind `resumed` it is told again, to who has not seen it.
        if (this.#cursor !== undefined) return;
        this.#handlers.ready?.(frame);
        this.#flow(undefined);
        return;
      case 'resumed':
        this.#attempts = Math.min(this.#attempts, 1);
        this.#flow(frame);
        this.#handlers.resumed?.();
        return;
      case 'ack':
        this.#attempts = 0;
        this.#acknowledged = Math.max(this.#acknowledged, frame.position);
        this.#feed?.forget(this.#acknowledged);
        return;
      case 'delta':
        this.#lastSeq = frame.seq ?? this.#lastSeq;
        this.#handlers.delta(frame);
        return;
      case 'reconnect':
        // It was told to the way in before this one.
        this.#lastSeq = frame.seq ?? this.#lastSeq;
        return;
      case 'left':
      case 'closed':
        this.abandon();
        this.#done.resolve();
        return;
      case 'error':
        this.#refused(new Problem(frame.code, frame.message, frame.retryAfterSeconds));
        return;
    }
  }

  /** The server is there: audio goes from where it says. */
  #flow(resumed: Resumed | undefined): void {
    clearTimeout(this.#waitTimer);
    this.#feed ??= this.#options.feed(resumed);
    // What the server was told when this socket opened.
    this.#cursor = this.#announced;
    this.#stopListening();
    this.#stopListening = this.#feed.onMore(() => this.#pump());
    clearInterval(this.#pumpTimer);
    this.#pumpTimer = setInterval(() => this.#tick(), PUMP_EVERY_MS);
    this.#ready.resolve();
    this.#pump();
  }

  #tick(): void {
    const isAwaited = this.#cursor !== undefined && this.#cursor > this.#acknowledged;
    if (!isAwaited) this.#lastSignMs = performance.now();
    if (performance.now() - this.#lastSignMs > SILENCE_MS) {
      this.#lose();
      return;
    }
    this.#pump();
  }

  #pump(): void {
    const socket = this.#socket;
    const feed = this.#feed;
    if (this.#over || !socket || !feed || this.#cursor === undefined) return;
    try {
      while (socket.bufferedBytes < MAX_BUFFERED_BYTES) {
        const bytes = feed.bytesAt(this.#cursor)?.subarray(0, (this.#leaving?.endPosition ?? Infinity) - this.#cursor);
        if (!bytes || bytes.length === 0) break;
        socket.sendAudio(bytes);
        this.#cursor += bytes.length;
      }
    } catch (error) {
      this.#fail(error instanceof RangeError ? clientProblem('UPLINK_TOO_SLOW') : toProblem(error));
      return;
    }
    const leaving = this.#leaving;
    if (this.#endSent || (!leaving && !this.#finishing) || this.#cursor < (leaving ?? feed).endPosition) return;
    this.#endSent = true;
    socket.send(leaving ? { type: 'leave', overlap: leaving.overlapSeconds } : { type: 'close' });
  }

  #lose(): void {
    if (this.#over) return;
    this.#socket?.close();
    clearInterval(this.#pumpTimer);
    clearTimeout(this.#waitTimer);
    const delayMs = DELAYS_MS[this.#attempts];
    this.#attempts += 1;
    if (delayMs === undefined) {
      this.#fail(clientProblem('CONNECTION_LOST'));
      return;
    }
    if (this.#cursor !== undefined) this.#handlers.lost?.();
    this.#cursor = undefined;
    this.#waitTimer = setTimeout(() => this.#connect(), delayMs);
  }

  #refused(problem: Problem): void {
    const wasLost = this.#session !== undefined && this.#cursor === undefined;
    this.#fail(wasLost && problem.code === 'NOT_FOUND' ? clientProblem('CONNECTION_LOST') : problem);
  }

  #fail(problem: Problem): void {
    if (this.#over) return;
    this.abandon();
    this.#ready.reject(problem);
    this.#done.reject(problem);
    this.#handlers.failed(problem);
  }
}
