import type { RemoteChannel } from '../../src/core/media-engine.ts';

/** A data channel whose far side is the test. */
export class FakeChannel implements RemoteChannel {
  readonly label: string;
  readonly sent: Record<string, unknown>[] = [];
  isClosed = false;
  #handlers: Parameters<RemoteChannel['listen']>[0] | undefined;

  constructor(label: string) {
    this.label = label;
  }

  listen(handlers: Parameters<RemoteChannel['listen']>[0]): void {
    this.#handlers = handlers;
  }

  /** The far side says something. */
  say(message: object): void {
    this.#handlers?.message(JSON.stringify(message));
  }

  async send(text: string): Promise<void> {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#handlers?.closed();
  }
}
