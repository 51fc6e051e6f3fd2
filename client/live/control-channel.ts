import { FrameSocket } from '../frame-socket.ts';
import { Problem, clientProblem } from '../problem.ts';
import type { Delta } from '../frames.ts';
import type { Server } from '../server.ts';

/** Waits between attempts to join again, in milliseconds; after the last the channel is lost. */
const REJOIN_DELAYS_MS = [0, 250, 500, 1000, 2000, 3000] as const;

export interface ControlChannelHandlers {
  ready(): void;
  delta(delta: Delta): void;
  /** The server has lost the way of the audio, and wants a new offer. */
  reconnect(): void;
  /** The server has said everything. */
  finished(): void;
  /** At most once; nothing follows. */
  failed(problem: Problem): void;
}

/**
 * The control WebSocket of a WebRTC session. A dropped socket is joined again after the last `seq` seen, so that
 * no final is missed; the transcript ignores what comes twice.
 */
export class ControlChannel {
  readonly #server: Server;
  readonly #url: string;
  readonly #handlers: ControlChannelHandlers;
  #socket: FrameSocket;
  #lastSeq: number | undefined;
  #attempts = 0;
  #rejoinTimer: ReturnType<typeof setTimeout> | undefined;
  #closing = false;

  /** `lastSeq`: of the event behind which it begins, where others came another way. */
  constructor(server: Server, url: string, handlers: ControlChannelHandlers, lastSeq?: number) {
    this.#server = server;
    this.#url = url;
    this.#handlers = handlers;
    this.#lastSeq = lastSeq;
    this.#socket = this.#join();
  }

  /** The last event that came; 1 is `ready`. */
  get lastSeq(): number {
    return this.#lastSeq ?? 0;
  }

  /** Asks for the last finals. */
  finish(): void {
    this.#closing = true;
    this.#socket.send({ type: 'close' });
  }

  close(): void {
    clearTimeout(this.#rejoinTimer);
    this.#socket.close();
  }

  #join(): FrameSocket {
    const query: Record<string, string> = this.#lastSeq === undefined ? {} : { after_seq: String(this.#lastSeq) };
    return new FrameSocket(this.#server.WebSocket, this.#server.socketUrl(this.#url, query), {
      // A rejoined socket has not heard that we want to end.
      open: () => {
        if (this.#closing) this.finish();
      },
      frame: (frame) => {
        this.#attempts = 0;
        switch (frame.type) {
          case 'ready':
            this.#handlers.ready();
            return;
          case 'delta':
            this.#lastSeq = frame.seq ?? this.#lastSeq;
            this.#handlers.delta(frame);
            return;
          case 'reconnect':
            this.#lastSeq = frame.seq ?? this.#lastSeq;
            this.#handlers.reconnect();
            return;
          case 'closed':
            this.close();
            this.#handlers.finished();
            return;
          case 'error':
            this.close();
            this.#handlers.failed(new Problem(frame.code, frame.message, frame.retryAfterSeconds));
            return;
          case 'ack':
          case 'resumed':
          case 'left':
            return;
        }
      },
      closed: () => this.#rejoinLater(),
    });
  }

  #rejoinLater(): void {
    const delayMs = REJOIN_DELAYS_MS[this.#attempts];
    this.#attempts += 1;
    if (delayMs === undefined) {
      this.#handlers.failed(clientProblem('CONNECTION_LOST'));
      return;
    }
    this.#rejoinTimer = setTimeout(() => {
      this.#socket = this.#join();
    }, delayMs);
  }
}
