import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { within } from '../eventually.ts';
import type { TestServer } from '../server.ts';
import type { ErrorBody } from './rest.ts';
import { type Delta, type ErrorFrame, type Frame, textOf } from './wire.ts';

const CHUNK_BYTES = 16_000;
/** Unsent bytes at which this client waits, as any decent one does. */
const MAX_BUFFERED_BYTES = 256 * 1024;

export interface StreamOptions {
  /** Fields of the `open` message. */
  readonly open?: Readonly<Record<string, unknown>>;
  /** Default 16000. */
  readonly chunkBytes?: number;
  /** Send as a microphone would: this many bytes in a second. Default: as fast as the server takes them. */
  readonly bytesPerSecond?: number;
}

/** One WebSocket of the server, with all that came back. */
export class StreamClient {
  readonly frames: Frame[] = [];
  readonly socket: WebSocket;
  /** How the socket was closed. Never rejects. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  #wake = Promise.withResolvers<void>();
  #isClosed = false;

  /** Rejects with a {@link RefusedUpgrade} if the server does not take the socket. */
  static async connect(server: TestServer, route = 'stream/transcribe', headers: Record<string, string> = {}): Promise<StreamClient> {
    const client = new StreamClient(new WebSocket(server.socketUrl(route), { headers }));
    await client.#opened();
    return client;
  }

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) throw new Error('the server never sends binary frames');
      this.frames.push(JSON.parse(data.toString()) as Frame);
      this.#changed();
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        this.#isClosed = true;
        resolve({ code, reason: reason.toString() });
        this.#changed();
      });
    });
  }

  send(message: Uint8Array | Readonly<Record<string, unknown>> | string): void {
    if (message instanceof Uint8Array) this.socket.send(message, { binary: true });
    else this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** Sends audio in chunks, waiting where the server does not keep up. Stops early if the socket closes. */
  async sendAudio(audio: Uint8Array, options: StreamOptions = {}): Promise<void> {
    const { chunkBytes = CHUNK_BYTES, bytesPerSecond } = options;
    const startMs = performance.now();
    for (let offset = 0; offset < audio.length && this.isOpen(); offset += chunkBytes) {
      if (bytesPerSecond !== undefined) await pause(Math.max(0, startMs + (offset / bytesPerSecond) * 1000 - performance.now()));
      this.send(audio.subarray(offset, offset + chunkBytes));
      while (this.socket.bufferedAmount > MAX_BUFFERED_BYTES && this.isOpen()) await pause(5);
    }
  }

  /** The first frame for which `matches` is true, come or yet to come. */
  async frame(what: string, matches: (frame: Frame) => boolean): Promise<Frame> {
    return within(`a frame: ${what}`, this.#find(what, matches));
  }

  /** Waits for the server's close; resolves with its code. */
  async closeCode(): Promise<number> {
    return (await within('the socket is closed', this.closed)).code;
  }

  isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  get finals(): Delta[] {
    return this.frames.filter((frame) => frame.type === 'delta').filter(({ is_final }) => is_final);
  }

  get error(): ErrorFrame | undefined {
    return this.frames.find((frame) => frame.type === 'error');
  }

  get text(): string {
    return textOf(this.finals);
  }

  async #find(what: string, matches: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(matches);
      if (found) return found;
      if (this.#isClosed) throw new Error(`the socket was closed before: ${what}; came: ${JSON.stringify(this.frames.slice(-5))}`);
      await this.#wake.promise;
    }
  }

  #changed(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async #opened(): Promise<void> {
    const refused = new Promise<never>((_, reject) => {
      this.socket.once('unexpected-response', (_request, response) => {
        RefusedUpgrade.from(response).then(reject, reject);
      });
    });
    refused.catch(() => undefined);
    // A refused or failed upgrade is also an 'error', which comes first: the answer says more.
    await Promise.race([once(this.socket, 'open'), refused]);
  }
}

/** The server's answer instead of a WebSocket. */
export class RefusedUpgrade extends Error {
  readonly status: number;
  readonly body: { readonly error: ErrorBody };

  static async from(response: IncomingMessage): Promise<RefusedUpgrade> {
    let text = '';
    for await (const part of response.setEncoding('utf8')) text += String(part);
    return new RefusedUpgrade(response.statusCode ?? 0, text);
  }

  constructor(status: number, text: string) {
    super(`the upgrade was refused with ${status}: ${text}`);
    this.status = status;
    this.body = JSON.parse(text) as { readonly error: ErrorBody };
  }
}

/** Streams a recording from `open` to the server's close. */
export async function stream(server: TestServer, audio: Uint8Array, options: StreamOptions = {}): Promise<StreamClient> {
  const client = await StreamClient.connect(server);
  client.send({ type: 'open', ...options.open });
  await client.sendAudio(audio, options);
  client.send({ type: 'close' });
  await client.closeCode();
  return client;
}
