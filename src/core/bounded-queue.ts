export interface BoundedQueueOptions<T> {
  /** Total weight that may wait. An item heavier than that is taken when the queue is empty. */
  readonly maxWeight: number;
  /** Weight of one item, for example its bytes or samples. Default 1. */
  readonly weigh?: (item: T) => number;
}

/**
 * A queue with one consumer that never holds more than `maxWeight`.
 * Its overflow policy is pause: `push` resolves when there is room for more. A producer that cannot
 * be paused asks `offer`, which refuses instead.
 * `end()` lets the consumer drain what is queued and then ends the iteration; `fail(error)` drains and then throws.
 * Leaving the iteration early (or `discard()`) drops what is queued and makes every later push a no-op.
 */
export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #maxWeight: number;
  readonly #weigh: (item: T) => number;
  readonly #items: T[] = [];
  #head = 0;
  #weight = 0;
  #ended = false;
  #discarded = false;
  #error: unknown;
  #wakeConsumer: (() => void) | undefined;
  #wakeProducers: (() => void)[] = [];

  constructor(options: BoundedQueueOptions<T>) {
    this.#maxWeight = options.maxWeight;
    this.#weigh = options.weigh ?? (() => 1);
  }

  get weight(): number {
    return this.#weight;
  }

  get isFull(): boolean {
    return this.#weight >= this.#maxWeight;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Takes the item at once; resolves when the queue has room for another (or is finished). */
  push(item: T): Promise<void> {
    this.#accept(item);
    return this.hasRoom();
  }

  /** Takes the item if it fits, else leaves it and answers false. */
  offer(item: T): boolean {
    if (this.#weight > 0 && this.#weight + this.#weigh(item) > this.#maxWeight) return false;
    this.#accept(item);
    return true;
  }

  /** Resolves when there is room, or when nothing will ever be read again. */
  hasRoom(): Promise<void> {
    if (!this.isFull || this.#ended || this.#discarded) return Promise.resolve();
    return new Promise((resolve) => this.#wakeProducers.push(resolve));
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wakeAll();
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    this.#error = error;
    this.end();
  }

  discard(): void {
    this.#discarded = true;
    this.#ended = true;
    this.#items.length = 0;
    this.#head = 0;
    this.#weight = 0;
    this.#wakeAll();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    try {
      for (;;) {
        if (this.#head < this.#items.length) {
          yield this.#take();
        } else if (this.#ended) {
          if (this.#error !== undefined) throw this.#error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wakeConsumer = resolve;
          });
        }
      }
    } finally {
      this.discard();
    }
  }

  #accept(item: T): void {
    if (this.#ended) return;
    this.#items.push(item);
    this.#weight += this.#weigh(item);
    this.#wakeConsumer?.();
    this.#wakeConsumer = undefined;
  }

  #take(): T {
    const item = this.#items[this.#head] as T;
    this.#items[this.#head] = undefined as T;
    this.#head += 1;
    if (this.#head === this.#items.length || this.#head > 1024) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    this.#weight -= this.#weigh(item);
    if (!this.isFull) this.#releaseProducers();
    return item;
  }

  #releaseProducers(): void {
    const waiting = this.#wakeProducers;
    this.#wakeProducers = [];
    for (const wake of waiting) wake();
  }

  #wakeAll(): void {
    this.#wakeConsumer?.();
    this.#wakeConsumer = undefined;
    this.#releaseProducers();
  }
}
