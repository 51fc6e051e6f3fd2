import type { AudioGap, LaneAudio } from '../../src/core/audio.ts';

/** Items that may wait besides the limit on audio: gaps between tiny frames must not add up either. */
const MAX_ITEMS = 8192;

const lengthOf = (item: LaneAudio): number => (item.kind === 'pcm' ? item.samples.length : item.lengthSamples);

const DONE: IteratorReturnResult<void> = { done: true, value: undefined };

export interface LaneQueueHandlers {
  /** The consumer left the iteration before its end. */
  discarded(): void;
  /** An item goes to the consumer. `queuedMs`: the time that it was pushed with; of a gap for what overflowed, that of the item behind it. */
  taken(item: LaneAudio, queuedMs: number): void;
}

/**
 * The queue between a network that cannot be paused and a lane. One consumer.
 * Overflow policy: the oldest is dropped and said, as one gap of cause `overflow` in its place, so positions stay
 * contiguous. A gap that continues the gap before it is joined to it.
 */
export class LaneQueue implements AsyncIterable<LaneAudio> {
  readonly #maxSamples: number;
  readonly #items: LaneAudio[] = [];
  /** When each of `#items` was pushed. */
  readonly #queuedMs: number[] = [];
  #head = 0;
  #pcmSamples = 0;
  #overflow: AudioGap | undefined;
  #droppedSamples = 0;
  #ended = false;
  #isDiscarded = false;
  /** The consumer waits, and is given the next item. */
  #waiting: ((result: IteratorResult<LaneAudio, void>) => void) | undefined;
  readonly #handlers: LaneQueueHandlers;

  constructor(maxSamples: number, handlers: LaneQueueHandlers) {
    this.#maxSamples = maxSamples;
    this.#handlers = handlers;
  }

  /** Samples of audio that were dropped so far. */
  get droppedSamples(): number {
    return this.#droppedSamples;
  }

  /** `nowMs` is told again when the item is taken. */
  push(item: LaneAudio, nowMs = 0): void {
    if (this.#ended) return;
    // Most frames are waited for, and pass by. Gaps do not: another may be joined to them before the consumer's turn.
    const waiting = this.#waiting;
    if (waiting && item.kind === 'pcm' && this.#head === this.#items.length && !this.#overflow && item.samples.length <= this.#maxSamples) {
      this.#waiting = undefined;
      this.#handlers.taken(item, nowMs);
      waiting({ done: false, value: item });
      return;
    }
    if (!this.#joinTail(item)) {
      this.#items.push(item);
      this.#queuedMs.push(nowMs);
    }
    if (item.kind === 'pcm') this.#pcmSamples += item.samples.length;
    while (this.#pcmSamples > this.#maxSamples || this.#items.length - this.#head > MAX_ITEMS) this.#dropOldest();
    this.#wakeConsumer();
  }

  /** What is queued is delivered, then the iteration ends. */
  end(): void {
    this.#ended = true;
    this.#wakeConsumer();
  }

  /** Written out: a generator costs several times as much for each item. */
  [Symbol.asyncIterator](): AsyncIterator<LaneAudio, void, void> {
    return {
      next: () => {
        const result = this.#next();
        return result ? Promise.resolve(result) : new Promise((resolve) => (this.#waiting = resolve));
      },
      return: () => {
        this.#discard();
        return Promise.resolve(DONE);
      },
    };
  }

  #next(): IteratorResult<LaneAudio, void> | undefined {
    const queuedMs = this.#queuedMs[this.#head] ?? 0;
    const item = this.#take();
    if (item) {
      this.#handlers.taken(item, queuedMs);
      return { done: false, value: item };
    }
    if (!this.#ended) return undefined;
    this.#discard();
    return DONE;
  }

  /** The consumer has all that it wanted. */
  #discard(): void {
    this.#ended = true;
    this.#items.length = 0;
    this.#queuedMs.length = 0;
    this.#head = 0;
    this.#overflow = undefined;
    this.#wakeConsumer();
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    this.#handlers.discarded();
  }

  #joinTail(item: LaneAudio): boolean {
    const tail = this.#items.length > this.#head ? this.#items.at(-1) : undefined;
    if (item.kind !== 'gap' || tail?.kind !== 'gap' || tail.cause !== item.cause) return false;
    this.#items[this.#items.length - 1] = { ...tail, lengthSamples: tail.lengthSamples + item.lengthSamples };
    return true;
  }

  #dropOldest(): void {
    const item = this.#shift();
    if (!item) return;
    const lengthSamples = lengthOf(item);
    if (item.kind === 'pcm') this.#droppedSamples += lengthSamples;
    this.#overflow = {
      kind: 'gap',
      startSample: this.#overflow?.startSample ?? item.startSample,
      lengthSamples: (this.#overflow?.lengthSamples ?? 0) + lengthSamples,
      cause: 'overflow',
    };
  }

  #take(): LaneAudio | undefined {
    const overflow = this.#overflow;
    if (!overflow) return this.#shift();
    this.#overflow = undefined;
    return overflow;
  }

  #shift(): LaneAudio | undefined {
    const item = this.#items[this.#head];
    if (!item) return undefined;
    this.#head += 1;
    if (this.#head === this.#items.length || this.#head > 1024) {
      this.#items.splice(0, this.#head);
      this.#queuedMs.splice(0, this.#head);
      this.#head = 0;
    }
    if (item.kind === 'pcm') this.#pcmSamples -= item.samples.length;
    return item;
  }

  #wakeConsumer(): void {
    if (this.#waiting) queueMicrotask(this.#deliver);
  }

  readonly #deliver = (): void => {
    const result = this.#waiting && this.#next();
    if (!result) return;
    this.#waiting?.(result);
    this.#waiting = undefined;
  };
}
