import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { BoundedQueue } from '../../src/core/bounded-queue.ts';
import type { Connection, WireMessage } from '../connection.ts';

export interface WebSocketOptions {
  /** Largest frame taken, in bytes; a larger one closes with 1009. Default 8 MiB. */
  readonly maxMessageBytes?: number;
  /** Bytes that may wait to be read before the socket is paused. Default 1 MiB. */
  readonly maxQueuedBytes?: number;
  /** Bytes that may wait to be sent before `send` waits. Default 256 KiB. */
  readonly maxBufferedBytes?: number;
  /** Time that such a wait may take; a client that still reads nothing is dropped. Default 30 s. */
  readonly sendTimeoutMs?: number;
  /** Pings go out this often; a client of which nothing is heard in between is dropped. Default 20 s. */
  readonly pingIntervalMs?: number;
  /** Time a client has to answer a close frame. Default 5 s. */
  readonly closeTimeoutMs?: number;
}

/** What the accepted upgrade says. */
export interface Greeting {
  readonly protocol?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Takes upgrade requests that the caller has already let in. */
export class WebSocketTransport {
  readonly #options: Required<WebSocketOptions>;
  readonly #server: WebSocketServer;
  readonly #open = new Set<WebSocket>();
  readonly #greetings = new WeakMap<IncomingMessage, Greeting>();

  constructor(options: WebSocketOptions = {}) {
    this.#options = {
      maxMessageBytes: options.maxMessageBytes ?? 8 * 1024 * 1024,
      maxQueuedBytes: options.maxQueuedBytes ?? 1024 * 1024,
      maxBufferedBytes: options.maxBufferedBytes ?? 256 * 1024,
      sendTimeoutMs: options.sendTimeoutMs ?? 30_000,
      pingIntervalMs: options.pingIntervalMs ?? 20_000,
      closeTimeoutMs: options.closeTimeoutMs ?? 5000,
    };
    // `closeTimeout` is not in the package's typings yet, so the options are no literal argument.
    const serverOptions = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: this.#options.maxMessageBytes,
      closeTimeout: this.#options.closeTimeoutMs,
      handleProtocols: (_offered: Set<string>, request: IncomingMessage) => this.#greetings.get(request)?.protocol ?? false,
    };
    this.#server = new WebSocketServer(serverOptions);
    this.#server.on('headers', (headers, request) => {
      for (const [name, value] of Object.entries(this.#greetings.get(request)?.headers ?? {})) headers.push(`${name}: ${value}`);
    });
  }

  get size(): number {
    return this.#open.size;
  }

  /** Completes the handshake, with the subprotocol and headers of `greeting`; a malformed one is answered by the library and never resolves to a connection. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, onConnection: (connection: Connection) => void, greeting: Greeting = {}): void {
    this.#greetings.set(request, greeting);
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      this.#open.add(webSocket);
      webSocket.once('close', () => this.#open.delete(webSocket));
      onConnection(new WebSocketConnection(webSocket, this.#options));
    });
  }

  /** Drops what is still open. */
  close(): void {
    for (const webSocket of this.#open) webSocket.terminate();
  }
}

const AS_TEXT = { binary: false };
/** The text that was sent last: viewers of one session are sent the same, one after the other. */
let lastSent = { text: '', bytes: Buffer.alloc(0) };

function bytesOf(text: string): Buffer {
  if (lastSent.text !== text) lastSent = { text, bytes: Buffer.from(text) };
  return lastSent.bytes;
}

class WebSocketConnection implements Connection {
  readonly messages: AsyncIterable<WireMessage>;
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #options: Required<WebSocketOptions>;
  readonly #queue: BoundedQueue<WireMessage>;
  /** Something was heard since the last ping. */
  #answered = true;
  #closeCode: number | undefined;
  /** Answers that are awaited, by what their pings carry. */
  readonly #confirmations = new Map<string, (received: boolean) => void>();
  #pings = 0;
  /** Who waits until less is buffered. */
  #awaitingRoom: (() => void)[] = [];
  readonly #onFlushed = (): void => {
    if (this.#awaitingRoom.length === 0 || this.#socket.bufferedAmount > this.#options.maxBufferedBytes) return;
    for (const wake of this.#awaitingRoom.splice(0)) wake();
  };

  constructor(socket: WebSocket, options: Required<WebSocketOptions>) {
    this.#socket = socket;
    this.#options = options;
    this.#queue = new BoundedQueue<WireMessage>({
      maxWeight: options.maxQueuedBytes,
      weigh: (message) => message.length,
    });
    this.messages = this.#queue;
    const pingTimer = setInterval(() => {
      this.#ping();
    }, options.pingIntervalMs);
    this.closed = new Promise((resolve) => {
      socket.once('close', (code) => {
        clearInterval(pingTimer);
        this.#closeCode = code;
        this.#queue.end();
        for (const answer of this.#confirmations.values()) answer(false);
        resolve();
      });
    });
    socket.on('message', (data, isBinary) => {
      this.#receive(data, isBinary);
    });
    socket.on('pong', (data) => {
      this.#answered = true;
      const name = data.toString('latin1');
      this.#confirmations.get(name)?.(true);
      this.#confirmations.delete(name);
    });
    // A broken frame or connection: the library closes it, and `close` follows.
    socket.on('error', () => undefined);
  }

  get closeCode(): number | undefined {
    return this.#closeCode;
  }

  confirm(): Promise<boolean> {
    if (this.#socket.readyState !== WebSocket.OPEN) return Promise.resolve(false);
    const name = String((this.#pings += 1));
    return new Promise((resolve) => {
      this.#confirmations.set(name, resolve);
      this.#socket.ping(name);
    });
  }

  async send(text: string): Promise<void> {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(bytesOf(text), AS_TEXT, this.#onFlushed);
    if (this.#socket.bufferedAmount <= this.#options.maxBufferedBytes) return;
    const stalled = setTimeout(() => this.#socket.terminate(), this.#options.sendTimeoutMs);
    const flushed = new Promise<void>((resolve) => this.#awaitingRoom.push(resolve));
    await Promise.race([flushed, this.closed]);
    clearTimeout(stalled);
  }

  close(code: number, reason: string): void {
    // The client's own close frame comes after all that it has sent, which is read for that alone.
    this.#queue.discard();
    this.#socket.resume();
    this.#socket.close(code, reason.slice(0, 120));
  }

  #receive(data: RawData, isBinary: boolean): void {
    this.#answered = true;
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer);
    void this.#queue.push(isBinary ? bytes : bytes.toString('utf8'));
    if (!this.#queue.isFull || this.#socket.isPaused) return;
    this.#socket.pause();
    void this.#queue.hasRoom().then(() => {
      this.#socket.resume();
    });
  }

  #ping(): void {
    // A paused socket cannot hear the answer.
    if (!this.#answered && !this.#socket.isPaused) this.#socket.terminate();
    else if (this.#socket.readyState === WebSocket.OPEN) {
      this.#answered = false;
      this.#socket.ping();
    }
  }
}
