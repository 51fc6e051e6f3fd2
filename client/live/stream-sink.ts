import { CaptionDelay } from './caption-delay.ts';
import type { Delta } from '../frames.ts';

/** The clock of a capture. */
export interface CaptureClock {
  readonly sampleRateHz: number;
  /** `performance.now()` at which a sample was spoken. */
  spokenAtMs(sample: number): number;
}

export interface StreamEvents {
  /** The stream's second zero lies so long after the capture's. */
  started(offsetSeconds: number): void;
  delta(delta: Delta): void;
  captionDelay(delayMs: number): void;
  /** Everything before this sample of the capture has its final. */
  settled(untilSample: number): void;
}

/** The captions of one stream on their way to the page, with its time put into the capture's. */
export class StreamSink {
  readonly #clock: CaptureClock;
  readonly #events: StreamEvents;
  readonly #delay = new CaptionDelay();
  #startSample: number | undefined;
  /** Deltas from before the stream's place was known: those of the few seconds of connecting. */
  readonly #early: Delta[] = [];

  constructor(clock: CaptureClock, events: StreamEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  /** The stream's place is known. What comes after the first call changes nothing. */
  begin(startSample: number): void {
    if (this.#startSample !== undefined) return;
    this.#startSample = startSample;
    this.#events.started(startSample / this.#clock.sampleRateHz);
    for (const delta of this.#early.splice(0)) this.delta(delta);
  }

  delta(delta: Delta): void {
    const startSample = this.#startSample;
    if (startSample === undefined) {
      this.#early.push(delta);
      return;
    }
    this.#events.delta(delta);
    if (delta.isFinal) this.#events.settled(startSample + Math.round(delta.endSeconds * this.#clock.sampleRateHz));
    const delayMs = this.#delay.note(performance.now(), this.#clock.spokenAtMs(startSample), delta.endSeconds);
    if (delayMs !== undefined) this.#events.captionDelay(delayMs);
  }
}
