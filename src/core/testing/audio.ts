import { BoundedQueue } from '../bounded-queue.ts';
import { msToSamples, type AudioSource, type DecodedAudio, type GapCause, type LaneAudio } from '../audio.ts';

/** Amplitude that the fake detector and the fake recognizer take for speech. */
const LOUD = 8000;

/** A square wave at 250 Hz: loud in every window, however it is cut. */
export function loud(ms: number): Int16Array {
  return Int16Array.from({ length: msToSamples(ms) }, (_, index) => (index % 64 < 32 ? LOUD : -LOUD));
}

export function quiet(ms: number): Int16Array {
  return new Int16Array(msToSamples(ms));
}

export function joined(...parts: readonly Int16Array[]): Int16Array {
  const out = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** An audio source that is fed by the test. */
export class FedSource implements AudioSource {
  /** How often somebody wished it to end. */
  closes = 0;
  readonly #queue = new BoundedQueue<LaneAudio>({ maxWeight: 10_000 });
  #nextSample = 0;

  get queuedEndSample(): number {
    return this.#nextSample;
  }

  pcm(samples: Int16Array, frameSamples = 320): this {
    for (let offset = 0; offset < samples.length; offset += frameSamples) {
      const frame = samples.subarray(offset, offset + frameSamples);
      void this.#queue.push({ kind: 'pcm', startSample: this.#nextSample, samples: frame });
      this.#nextSample += frame.length;
    }
    return this;
  }

  gap(ms: number, cause: GapCause = 'loss'): this {
    const lengthSamples = msToSamples(ms);
    void this.#queue.push({ kind: 'gap', startSample: this.#nextSample, lengthSamples, cause });
    this.#nextSample += lengthSamples;
    return this;
  }

  fail(error: unknown): this {
    this.#queue.fail(error);
    return this;
  }

  end(): this {
    this.#queue.end();
    return this;
  }

  close(): void {
    this.closes += 1;
    this.#queue.end();
  }

  [Symbol.asyncIterator](): AsyncIterator<LaneAudio> {
    return this.#queue[Symbol.asyncIterator]();
  }
}

/** A recording of one lane per list of samples. */
export function recording(...lanes: readonly Int16Array[]): DecodedAudio {
  return { lanes: lanes.map((samples) => new FedSource().pcm(samples).end()) };
}

/** Lets everything that waits for nothing but promises run. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
