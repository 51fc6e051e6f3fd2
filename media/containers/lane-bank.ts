import { SAMPLE_RATE_HZ, type AudioSource, type LaneAudio, type PcmFrame } from '../../src/core/audio.ts';
import { BoundedQueue } from '../../src/core/bounded-queue.ts';

/** Longest frame: 100 ms. */
const MAX_FRAME_SAMPLES = SAMPLE_RATE_HZ / 10;
/** Audio that may wait on one lane: 2 s. Overflow policy: pause. */
export const MAX_QUEUED_SAMPLES = 2 * SAMPLE_RATE_HZ;

/**
 * The lanes of one decoded stream, fed in step: a write goes on when every lane that is still read has room.
 * `onAbandoned` is called once, when nobody reads any lane any more before the audio is over.
 */
export class LaneBank {
  readonly lanes: readonly AudioSource[];
  readonly #lanes: readonly QueuedLane[];
  #writtenSamples = 0;
  #over = false;

  constructor(channels: number, onAbandoned: () => void) {
    const onClosed = (): void => {
      if (!this.#over && this.#lanes.every((lane) => lane.closed)) onAbandoned();
    };
    this.#lanes = Array.from({ length: channels }, () => new QueuedLane(onClosed));
    this.lanes = this.#lanes;
  }

  get writtenSamples(): number {
    return this.#writtenSamples;
  }

  /** @param block One array per lane, all of equal length. */
  async write(block: readonly Int16Array[]): Promise<void> {
    const length = block[0]?.length ?? 0;
    for (let from = 0; from < length; from += MAX_FRAME_SAMPLES) {
      const to = Math.min(length, from + MAX_FRAME_SAMPLES);
      for (const [index, lane] of this.#lanes.entries()) {
        const samples = (block[index]!).subarray(from, to);
        lane.push({ kind: 'pcm', startSample: this.#writtenSamples, samples });
      }
      this.#writtenSamples += to - from;
      for (const lane of this.#lanes) await lane.hasRoom();
    }
  }

  /** The audio is over; what is queued is still delivered. */
  end(): void {
    this.#over = true;
    for (const lane of this.#lanes) lane.end();
  }

  /** The lanes end with the error after what is queued. */
  fail(error: Error): void {
    this.#over = true;
    for (const lane of this.#lanes) lane.fail(error);
  }

  /** The lanes end with the error at once. */
  abort(error: Error): void {
    this.#over = true;
    for (const lane of this.#lanes) lane.abort(error);
  }
}

class QueuedLane implements AudioSource {
  readonly #queue = new BoundedQueue<PcmFrame>({ maxWeight: MAX_QUEUED_SAMPLES, weigh: (frame) => frame.samples.length });
  readonly #onClosed: () => void;
  #closed = false;
  #queuedEndSample = 0;
  #aborted: Error | undefined;

  constructor(onClosed: () => void) {
    this.#onClosed = onClosed;
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.end();
    this.#onClosed();
  }

  get queuedEndSample(): number {
    return this.#queuedEndSample;
  }

  push(frame: PcmFrame): void {
    if (this.#closed) return;
    this.#queuedEndSample = frame.startSample + frame.samples.length;
    void this.#queue.push(frame);
  }

  hasRoom(): Promise<void> {
    return this.#queue.hasRoom();
  }

  end(): void {
    this.#queue.end();
  }

  fail(error: Error): void {
    this.#queue.fail(error);
  }

  abort(error: Error): void {
    this.#aborted = error;
    this.#queue.fail(error);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LaneAudio, void, void> {
    try {
      for await (const frame of this.#queue) {
        if (this.#aborted) throw this.#aborted;
        yield frame;
      }
    } finally {
      this.close();
    }
  }
}
