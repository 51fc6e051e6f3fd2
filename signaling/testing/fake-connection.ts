import { BoundedQueue } from '../../src/core/bounded-queue.ts';
import type { Connection, WireMessage } from '../connection.ts';

/** A client without a wire: the test plays its part. */
export class FakeConnection implements Connection {
  readonly messages = new BoundedQueue<WireMessage>({ maxWeight: 10_000 });
  readonly closed: Promise<void>;
  readonly sent: Record<string, unknown>[] = [];
  closeCode: number | undefined;
  /** Answers pings. */
  confirms = true;
  /** Pings so far. */
  asked = 0;
  readonly #gone = Promise.withResolvers<void>();
  #unread: PromiseWithResolvers<void> | undefined;
  #watchers: (() => void)[] = [];

  constructor() {
    this.closed = this.#gone.promise;
  }

  /** The client says something: a text frame for a string or an object, a binary frame for bytes. */
  say(...messages: readonly (WireMessage | object)[]): void {
    for (const message of messages) {
      void this.messages.push(typeof message === 'string' || message instanceof Uint8Array ? message : JSON.stringify(message));
    }
  }

  /** The client is gone: without a word, or with a close frame. */
  leave(code = 1006): void {
    this.closeCode ??= code;
    this.messages.end();
    this.#gone.resolve();
    this.#unread?.resolve();
  }

  /** From now on the client reads nothing. */
  stopReading(): void {
    this.#unread = Promise.withResolvers();
  }

  async send(text: string): Promise<void> {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
    for (const wake of this.#watchers.splice(0)) wake();
    await this.#unread?.promise;
  }

  close(code: number): void {
    this.leave(code);
  }

  async confirm(): Promise<boolean> {
    this.asked += 1;
    if (this.confirms) return true;
    await this.closed;
    return false;
  }

  /** Resolves with the first frame of this type, sent already or later. */
  async received(type: string): Promise<Record<string, unknown>> {
    for (;;) {
      const frame = this.sent.find((each) => each['type'] === type);
      if (frame) return frame;
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  get types(): unknown[] {
    return this.sent.map((frame) => frame['type']);
  }
}
