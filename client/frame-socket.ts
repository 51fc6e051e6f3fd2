import { parseFrame, type ServerFrame } from './frames.ts';
import type { WebSocketClass } from './server.ts';

export interface FrameSocketHandlers {
  open(): void;
  frame(frame: ServerFrame): void;
  /** Once, last. `opened` is false if the server refused the socket or was not there. */
  closed(end: { readonly opened: boolean; readonly code: number }): void;
}

/** A WebSocket that speaks the module's frames. After `close` no handler is called. */
export class FrameSocket {
  readonly #socket: WebSocket;
  #silenced = false;

  constructor(Socket: WebSocketClass, url: string, handlers: FrameSocketHandlers) {
    let opened = false;
    this.#socket = new Socket(url);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onopen = () => {
      opened = true;
      if (!this.#silenced) handlers.open();
    };
    this.#socket.onmessage = ({ data }: { readonly data: unknown }) => {
      const frame = typeof data === 'string' ? parseFrame(data) : undefined;
      if (frame && !this.#silenced) handlers.frame(frame);
    };
    this.#socket.onclose = ({ code }) => {
      if (!this.#silenced) handlers.closed({ opened, code });
    };
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(message: Readonly<Record<string, unknown>>): void {
    if (this.#isOpen) this.#socket.send(JSON.stringify(message));
  }

  sendAudio(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#isOpen) this.#socket.send(bytes);
  }

  close(): void {
    this.#silenced = true;
    this.#socket.close(1000);
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }
}
