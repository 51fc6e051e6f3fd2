/** Bytes of a foreign iterable, pulled one chunk at a time. Stopping settles a pull that waits, even if the sender is silent. */
export class ByteReader {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #returned: Uint8Array[] = [];
  #settlePull: (() => void) | undefined;
  #stopped = false;
  #bytesRead = 0;

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#iterator = bytes[Symbol.asyncIterator]();
  }

  /** Bytes pulled from the sender so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** The next chunk, never empty; `undefined` at the end or once stopped. Rejects with what the sender threw. */
  async next(): Promise<Uint8Array | undefined> {
    const kept = this.#returned.shift();
    if (kept) return kept;
    while (!this.#stopped) {
      const result = await this.#pull();
      if (!result || result.done) {
        this.#stopped = true;
        return undefined;
      }
      this.#bytesRead += result.value.length;
      if (result.value.length > 0) return result.value;
    }
    return undefined;
  }

  /** Puts chunks back, to be read again in their order. */
  unread(chunks: readonly Uint8Array[]): void {
    this.#returned = [...chunks.filter((chunk) => chunk.length > 0), ...this.#returned];
  }

  /** Reads until `enough` says so of the bytes so far, or to the end; then puts them back. */
  async peek(enough: (head: Uint8Array) => boolean): Promise<Uint8Array> {
    let head: Uint8Array = new Uint8Array(0);
    while (!enough(head)) {
      const chunk = await this.next();
      if (!chunk) break;
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    }
    this.unread([head]);
    return head;
  }

  /** Pulls and forgets up to `maxBytes`, so that a sender is not broken off for a few bytes of tags; then stops. */
  async drain(maxBytes: number): Promise<void> {
    const until = this.#bytesRead + maxBytes;
    while (this.#bytesRead < until && (await this.next()));
    this.stop();
  }

  /** Lets go of the sender. Idempotent. */
  stop(): void {
    this.#returned = [];
    if (this.#stopped) return;
    this.#stopped = true;
    this.#settlePull?.();
    // A generator that waits answers only after its present step, which may be never: nobody waits for it.
    void Promise.try(() => this.#iterator.return?.()).catch(() => undefined);
  }

  #pull(): Promise<IteratorResult<Uint8Array> | undefined> {
    return new Promise((resolve, reject) => {
      this.#settlePull = () => resolve(undefined);
      this.#iterator.next().then(resolve, (error: unknown) => {
        this.#stopped = true;
        reject(error);
      });
    });
  }
}
