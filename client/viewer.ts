import { FrameSocket } from './frame-socket.ts';
import type { Delta, Ready } from './frames.ts';
import { clientProblem, Problem } from './problem.ts';
import type { Server } from './server.ts';

export interface WatchOptions {
  /** Only what comes behind this event. Default 0: the text so far, then the rest. */
  readonly afterSeq?: number;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}

/** Waits between attempts to come back, in milliseconds; then the viewer gives up. */
const DELAYS_MS = [0, 250, 1000, 2000, 4000, 8000] as const;

/**
 * Reads a live session that somebody else speaks in, from its beginning to its end; a connection that is lost is made again behind the last event that came.
 * `target` is the session's id, or the `socket_url` of a share link. Throws a Problem: `NOT_FOUND`, `RESUME_GAP`, `CONNECTION_LOST`, or what ended the session.
 */
export async function* watch(server: Server, target: string, { afterSeq = 0, signal }: WatchOptions = {}): AsyncGenerator<Ready | Delta, void, void> {
  const address = /^wss?:/.test(target) ? target : `sessions/${encodeURIComponent(target)}/watch`;
  let lastSeq = afterSeq;
  let attempts = 0;
  for (;;) {
    const view = new View(server, server.socketUrl(address, { after_seq: String(lastSeq) }), signal);
    try {
      for await (const frame of view) {
        attempts = 0;
        lastSeq = frame.type === 'delta' ? (frame.seq ?? lastSeq) : Math.max(lastSeq, 1);
        yield frame;
      }
    } finally {
      view.close();
    }
    if (view.isOver || signal?.aborted === true) return;
    const delayMs = DELAYS_MS[attempts];
    attempts += 1;
    if (delayMs === undefined) throw clientProblem('CONNECTION_LOST');
    await pause(delayMs, signal);
  }
}

/** One socket of a viewer. */
class View {
  readonly #socket: FrameSocket;
  readonly #frames: (Ready | Delta)[] = [];
  #problem: Problem | undefined;
  #isClosed = false;
  #wake: () => void = () => undefined;
  readonly #forget: () => void;
  /** The session has told its last. */
  isOver = false;

  constructor(server: Server, url: string, signal: AbortSignal | undefined) {
    this.#socket = new FrameSocket(server.WebSocket, url, {
      open: () => undefined,
      frame: (frame) => {
        if (frame.type === 'ready' || frame.type === 'delta') this.#frames.push(frame);
        else if (frame.type === 'closed') this.#end(true);
        else if (frame.type === 'error') this.#end(true, new Problem(frame.code, frame.message, frame.retryAfterSeconds));
        this.#wake();
      },
      closed: () => this.#end(false),
    });
    const stop = (): void => this.#end(true);
    signal?.addEventListener('abort', stop);
    this.#forget = () => signal?.removeEventListener('abort', stop);
  }

  close(): void {
    this.#forget();
    this.#socket.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Ready | Delta, void, void> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame) yield frame;
      else if (this.#problem) throw this.#problem;
      else if (this.#isClosed) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #end(isOver: boolean, problem?: Problem): void {
    this.isOver ||= isOver;
    this.#problem ??= problem;
    this.#isClosed = true;
    this.#wake();
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
