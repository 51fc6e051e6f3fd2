import { SAMPLE_RATE_HZ, type PcmFrame } from '../audio.ts';
import { EarshotError } from '../errors.ts';
import {
  MAX_LOOK_BACK_SAMPLES,
  type Recognizer,
  type RecognizerCapabilities,
  type RecognizerLease,
  type RecognizerSink,
  type RecognizerSnapshot,
  type RecognizerStream,
} from '../recognizer.ts';
import type { Word } from '../transcript.ts';

/** Length of a word. */
const WORD_SAMPLES = SAMPLE_RATE_HZ / 2;
const LOUD_FROM = 1000;
const MAX_BACKLOG_SAMPLES = 3 * SAMPLE_RATE_HZ;

export interface FakeRecognizerOptions {
  /** Default 4. */
  readonly maxSessions?: number;
  /** Default 15 s. */
  readonly maxSegmentSamples?: number;
}

/**
 * A recognizer whose words can be told beforehand: lane time is divided into half seconds, and each of which at least a quarter
 * of a second is loud within the segment is a word, named by its place: `w3` lies from 1.5 to 2 s.
 */
export class FakeRecognizer implements Recognizer {
  readonly id = 'fake';
  readonly capabilities: RecognizerCapabilities;
  /** Leases released so far, each counted once. */
  released = 0;
  /** Streams opened and not closed. */
  openStreams = 0;
  /** Samples of all writes, in order of the streams. */
  writtenSamples = 0;
  readonly #maxSessions: number;
  readonly #streams = new Set<FakeStream>();
  #active = 0;
  #paused: PromiseWithResolvers<void> | undefined;

  constructor(options: FakeRecognizerOptions = {}) {
    this.#maxSessions = options.maxSessions ?? 4;
    this.capabilities = {
      interims: true,
      wordTimes: true,
      wordConfidence: true,
      languages: ['en'],
      maxSegmentSamples: options.maxSegmentSamples ?? 15 * SAMPLE_RATE_HZ,
    };
  }

  snapshot(): RecognizerSnapshot {
    const ready = this.#active < this.#maxSessions;
    return {
      ready,
      ...(!ready && { reason: 'every recognizer is taken' }),
      activeSessions: this.#active,
      maxSessions: this.#maxSessions,
      restarts: 0,
    };
  }

  admit(): RecognizerLease {
    if (this.#active >= this.#maxSessions) {
      throw new EarshotError('CAPACITY_EXCEEDED', 'Every recognizer is taken.', { retryAfterSeconds: 5 });
    }
    this.#active += 1;
    const streams = new Set<FakeStream>();
    let released = false;
    return {
      openStream: (sink) => {
        const stream = new FakeStream(this, sink, () => this.#streams.delete(stream));
        streams.add(stream);
        this.#streams.add(stream);
        return stream;
      },
      release: async () => {
        if (released) return;
        released = true;
        this.released += 1;
        this.#active -= 1;
        for (const stream of streams) await stream.close();
      },
    };
  }

  /** Nothing is consumed or settled until `resume`. */
  pause(): void {
    this.#paused ??= Promise.withResolvers();
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  /** The engine is beyond recovery for every open stream. */
  fail(): void {
    const error = new EarshotError('BACKEND_ERROR', 'The recognizer fails again and again on this audio.');
    for (const stream of this.#streams) stream.fail(error);
  }

  /** Every open stream loses its engine and finds another. */
  recover(replayedSamples: number): void {
    for (const stream of this.#streams) stream.sink.recovered(replayedSamples);
  }

  /** The engine says that it is at work. */
  work(): void {
    for (const stream of this.#streams) stream.sink.atWork?.();
  }

  get isPaused(): boolean {
    return this.#paused !== undefined;
  }

  async whileRunning(): Promise<void> {
    while (this.#paused) await this.#paused.promise;
  }

  async close(): Promise<void> {
    for (const stream of [...this.#streams]) await stream.close();
  }
}

interface Segment {
  readonly startSample: number;
  /** Loud samples of each half second of lane time, by its number. */
  readonly loud: Map<number, number>;
}

class FakeStream implements RecognizerStream {
  readonly sink: RecognizerSink;
  readonly #recognizer: FakeRecognizer;
  readonly #forget: () => void;
  /** What was written, back to the start of the open segment or the earliest at which one may still begin. */
  readonly #recent: PcmFrame[] = [];
  #writtenSample = 0;
  #backlogSamples = 0;
  #open: Segment | undefined;
  #shown = '';
  #unsettled = 0;
  #tail: Promise<unknown> = Promise.resolve();
  readonly #end = Promise.withResolvers<never>();
  #closed = false;

  constructor(recognizer: FakeRecognizer, sink: RecognizerSink, forget: () => void) {
    this.#recognizer = recognizer;
    this.sink = sink;
    this.#forget = forget;
    recognizer.openStreams += 1;
    this.#end.promise.catch(() => undefined);
  }

  async write(frame: PcmFrame): Promise<void> {
    if (this.#closed) return;
    this.#recognizer.writtenSamples += frame.samples.length;
    this.#writtenSample = frame.startSample + frame.samples.length;
    this.#recent.push(frame);
    const keptFrom = Math.min(this.#open?.startSample ?? Infinity, this.#writtenSample - MAX_LOOK_BACK_SAMPLES);
    while (endOf(this.#recent[0]!) <= keptFrom) this.#recent.shift();
    if (this.#open) this.#hear(this.#open, frame, frame.startSample, this.#writtenSample);
    if (!this.#recognizer.isPaused) this.#backlogSamples = 0;
    else this.#backlogSamples += frame.samples.length;
    if (this.#open && this.#unsettled === 0 && !this.#recognizer.isPaused) this.#tellInterim(this.#open);
    const waiting = this.#backlogSamples > MAX_BACKLOG_SAMPLES ? this.#recognizer.whileRunning() : Promise.resolve();
    await this.#orEnd(waiting).catch((error: unknown) => {
      if (!this.#closed) throw error;
    });
  }

  beginSegment(startSample: number): void {
    if (startSample < this.#writtenSample - MAX_LOOK_BACK_SAMPLES) throw new Error('A segment begins too far back.');
    this.#open = { startSample, loud: new Map() };
    this.#shown = '';
    for (const frame of this.#recent) this.#hear(this.#open, frame, startSample, this.#writtenSample);
  }

  endSegment(endSample: number): Promise<readonly Word[]> {
    const segment = this.#open;
    this.#open = undefined;
    if (!segment) return this.#end.promise;
    if (endSample > this.#writtenSample) throw new Error('A segment ends after what was written.');
    // Counted anew: a segment may end before what was written.
    segment.loud.clear();
    for (const frame of this.#recent) this.#hear(segment, frame, segment.startSample, endSample);
    this.#unsettled += 1;
    const words = wordsOf(segment, endSample).map((word) => ({ ...word, confidence: 0.9 }));
    const settled = this.#tail.then(() => this.#recognizer.whileRunning());
    this.#tail = settled;
    return this.#orEnd(settled).then(() => {
      this.#unsettled -= 1;
      return words;
    });
  }

  fail(error: EarshotError): void {
    this.#end.reject(error);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#recognizer.openStreams -= 1;
    this.#forget();
    this.#end.reject(new EarshotError('SESSION_CONFLICT', 'The stream is closed.'));
  }

  async #orEnd(done: Promise<void>): Promise<void> {
    await Promise.race([this.#end.promise, done]);
  }

  #hear(segment: Segment, frame: PcmFrame, fromSample: number, toSample: number): void {
    const first = Math.max(0, fromSample - frame.startSample);
    const end = Math.min(frame.samples.length, toSample - frame.startSample);
    for (let index = first; index < end; index += 1) {
      const sample = frame.startSample + index;
      if (Math.abs(frame.samples[index]!) < LOUD_FROM) continue;
      const slot = Math.floor(sample / WORD_SAMPLES);
      segment.loud.set(slot, (segment.loud.get(slot) ?? 0) + 1);
    }
  }

  #tellInterim(segment: Segment): void {
    const words = wordsOf(segment, this.#writtenSample);
    const text = words.map((word) => word.text).join(' ');
    if (text === this.#shown) return;
    this.#shown = text;
    this.sink.interim(words);
  }
}

const endOf = (frame: PcmFrame): number => frame.startSample + frame.samples.length;

function wordsOf(segment: Segment, endSample: number): Word[] {
  return [...segment.loud]
    .filter(([, samples]) => samples >= WORD_SAMPLES / 2)
    .map(([slot]) => ({
      text: `w${String(slot)}`,
      startSample: Math.max(segment.startSample, slot * WORD_SAMPLES),
      endSample: Math.min(endSample, (slot + 1) * WORD_SAMPLES),
    }));
}
