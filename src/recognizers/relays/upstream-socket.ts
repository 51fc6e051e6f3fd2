import { WebSocket, type RawData } from 'ws';
import type { Clock } from '../../core/clock.ts';
import { EarshotError } from '../../core/errors.ts';
import { retrying } from './retrying.ts';
import { closedError, lostError, misshapen, statusError, timeout, unavailable } from './upstream-error.ts';

export interface UpstreamAddress {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface UpstreamSocketOptions {
  readonly relayId: string;
  readonly clock: Clock;
  readonly connectMs: number;
  /** Where to connect; asked again for each attempt. */
  readonly locate: (signal: AbortSignal) => Promise<UpstreamAddress>;
  readonly onOpen: () => void;
  readonly onText: (text: string) => void;
  readonly onPong: () => void;
  /** Once: it never opened, or it is gone. Nothing follows. Not called after `close`. */
  readonly onLost: (error: EarshotError) => void;
}

/** Largest message of an upstream; captions are small. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** Audio that may wait for the network: 8 s. */
const MAX_PENDING_BYTES = 256 * 1024;
/** Time for the upstream to answer our close. */
const CLOSE_MS = 2000;

/**
 * A WebSocket to an upstream. What is sent before it is open waits; whoever sends waits for `drained`, so that a slow upstream
 * holds at most a little more than 256 KiB here.
 */
export class UpstreamSocket {
  readonly #options: UpstreamSocketOptions;
  readonly #closing = new AbortController();
  #socket: WebSocket | undefined;
  #waiting: (string | Uint8Array)[] = [];
  #pendingBytes = 0;
  #owesPing = false;
  #wakeWriters: (() => void)[] = [];
  #over = false;

  constructor(options: UpstreamSocketOptions) {
    this.#options = options;
    this.#connect().catch((error: unknown) => {
      this.#lose(error instanceof EarshotError ? error : lostError(options.relayId, error));
    });
  }

  /** Bytes of what was sent and has not left for the network. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  send(message: string | Uint8Array): void {
    if (this.#over) return;
    this.#pendingBytes += message.length;
    if (this.#socket) this.#transmit(this.#socket, message);
    else this.#waiting.push(message);
  }

  /** Asks for a sign of life, as soon as the socket is open. */
  ping(): void {
    if (this.#over) return;
    if (this.#socket) this.#socket.ping();
    else this.#owesPing = true;
  }

  /** Resolves when more may be sent, or nothing will be any more. */
  async drained(): Promise<void> {
    while (this.#pendingBytes > MAX_PENDING_BYTES && !this.#over) {
      await new Promise<void>((resolve) => this.#wakeWriters.push(resolve));
    }
  }

  /** Says goodbye and closes; the upstream has two seconds for it. Idempotent. */
  close(goodbye?: string): void {
    if (this.#over) return;
    const socket = this.#socket;
    this.#end();
    this.#closing.abort(closedError());
    if (!socket) return;
    if (goodbye !== undefined) socket.send(goodbye, () => undefined);
    socket.close(1000);
    const cancel = this.#options.clock.setTimer(CLOSE_MS, () => {
      socket.terminate();
    });
    socket.once('close', cancel);
  }

  async #connect(): Promise<void> {
    const { clock, connectMs, relayId } = this.#options;
    const deadline = new AbortController();
    const cancel = clock.setTimer(connectMs, () => {
      deadline.abort(timeout(relayId, `its upstream has not taken the stream within ${String(connectMs)} ms`));
    });
    const signal = AbortSignal.any([this.#closing.signal, deadline.signal]);
    try {
      const socket = await retrying(clock, signal, async () => this.#open(await this.#options.locate(signal), signal));
      if (this.#over) {
        socket.terminate();
        return;
      }
      this.#socket = socket;
      for (const message of this.#waiting.splice(0)) this.#transmit(socket, message);
      if (this.#owesPing) socket.ping();
      this.#options.onOpen();
    } finally {
      cancel();
    }
  }

  #open({ url, headers }: UpstreamAddress, signal: AbortSignal): Promise<WebSocket> {
    const { relayId } = this.#options;
    const socket = new WebSocket(url, { headers, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
    return new Promise((resolve, reject) => {
      const give = (error: unknown): void => {
        signal.removeEventListener('abort', onAbort);
        reject(error);
      };
      const onAbort = (): void => {
        give(signal.reason);
        socket.terminate();
      };
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      socket.on('unexpected-response', (_request, response) => {
        give(statusError(relayId, response.statusCode ?? 0, response.headers['retry-after']));
        response.destroy();
        socket.terminate();
      });
      let fault: EarshotError | undefined;
      socket.on('error', (error: NodeJS.ErrnoException) => {
        fault = faultOf(relayId, error);
        give(fault);
      });
      socket.on('open', () => {
        signal.removeEventListener('abort', onAbort);
        resolve(socket);
      });
      // Attached before the opening: a message may come together with it.
      socket.on('message', (data: RawData, isBinary: boolean) => {
        this.#hear(data, isBinary);
      });
      socket.on('pong', this.#options.onPong);
      socket.on('close', (code) => {
        const error = fault ?? closeError(relayId, code);
        give(error);
        if (socket === this.#socket) this.#lose(error);
      });
    });
  }

  #hear(data: RawData, isBinary: boolean): void {
    if (this.#over) return;
    if (isBinary) this.#lose(misshapen(this.#options.relayId, 'its upstream sent a binary frame'));
    else this.#options.onText((data as Buffer).toString('utf8'));
  }

  #transmit(socket: WebSocket, message: string | Uint8Array): void {
    socket.send(message, () => {
      this.#pendingBytes -= message.length;
      if (this.#pendingBytes <= MAX_PENDING_BYTES) this.#wake();
    });
  }

  #lose(error: EarshotError): void {
    if (this.#over) return;
    const socket = this.#socket;
    this.#end();
    socket?.terminate();
    this.#options.onLost(error);
  }

  #end(): void {
    this.#over = true;
    this.#waiting = [];
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }
}

/** What `ws` says about broken frames has codes of its own; the rest is the network. */
function faultOf(relayId: string, error: NodeJS.ErrnoException): EarshotError {
  return error.code?.startsWith('WS_ERR_') === true ? misshapen(relayId, `its upstream broke the WebSocket protocol (${error.code})`) : lostError(relayId, error);
}

/** 4429 is Gladia's way to say 429; 1008 and 1013 are RFC 6455's refusals. */
function closeError(relayId: string, code: number): EarshotError {
  const told = ` (close code ${String(code)})`;
  if (code === 4429) return statusError(relayId, 429, undefined);
  if (code === 4401 || code === 4403) return unavailable(relayId, `its upstream refuses the stream${told}`);
  if (code === 1013 || code === 1012) return unavailable(relayId, `its upstream asks to come back later${told}`, { retryAfterSeconds: 1 });
  return new EarshotError('BACKEND_ERROR', `Relay ${relayId}: its upstream ended the stream early${told}.`);
}
