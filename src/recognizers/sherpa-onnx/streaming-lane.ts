import type { PcmFrame } from '../../core/audio.ts';
import { EarshotError } from '../../core/errors.ts';
import { MAX_LOOK_BACK_SAMPLES, type RecognizerSink, type RecognizerStream } from '../../core/recognizer.ts';
import type { Word } from '../../core/transcript.ts';
import { LaneAudio } from '../adapters/lane-audio.ts';
import { MIN_SEGMENT_SAMPLES, placed, withoutConfidence } from '../adapters/segmenting.ts';
import type { OnlineResult, SherpaStream } from './library.ts';
import type { OnlineDecoder } from './online-decoder.ts';

interface Segment {
  readonly startSample: number;
  readonly stream: SherpaStream;
  /** End of what the model was given. */
  fedSample: number;
  shown: string;
}

export interface StreamingLaneOptions {
  readonly decoder: OnlineDecoder;
  /** The result of a stretch of so many samples as words at positions from its start. */
  readonly wordsOf: (result: OnlineResult, lengthSamples: number) => readonly Word[];
  /** Told to the model for each segment. */
  readonly prepare?: (stream: SherpaStream) => void;
}

/**
 * A lane at a streaming model. Each segment is a stream of its own: it hears the segment from its start, silence after its end until
 * the model has looked at everything, and is dropped. The model's own endpointing is off: one endpointer cuts for all engines.
 */
export class StreamingLane implements RecognizerStream {
  readonly #options: StreamingLaneOptions;
  readonly #sink: Pick<RecognizerSink, 'interim'>;
  readonly #audio = new LaneAudio();
  readonly #unsettled: Segment[] = [];
  #open: Segment | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  readonly #closed = Promise.withResolvers<never>();
  #isClosed = false;

  constructor(options: StreamingLaneOptions, sink: Pick<RecognizerSink, 'interim'>) {
    this.#options = options;
    this.#sink = sink;
    this.#closed.promise.catch(() => undefined);
  }

  async write(frame: PcmFrame): Promise<void> {
    if (this.#isClosed) return;
    this.#audio.write(frame);
    this.#audio.trim(this.#audio.endSample - MAX_LOOK_BACK_SAMPLES);
    const segment = this.#open;
    if (!segment) return;
    await this.#feed(segment, frame.startSample + frame.samples.length);
    this.#tellInterim(segment);
  }

  beginSegment(startSample: number): void {
    const stream = this.#options.decoder.open();
    this.#options.prepare?.(stream);
    const segment: Segment = { startSample, stream, fedSample: startSample, shown: '' };
    this.#open = segment;
    this.#unsettled.push(segment);
    if (this.#audio.endSample > startSample) void this.#feed(segment, this.#audio.endSample);
  }

  endSegment(endSample: number): Promise<readonly Word[]> {
    const segment = this.#open;
    this.#open = undefined;
    if (this.#isClosed) return this.#closed.promise;
    if (!segment) return Promise.resolve([]);
    const words = Promise.all([this.#finish(segment, endSample), this.#tail]).then(([found]) => found);
    // Only after these words were told may the next segment's interims be.
    this.#tail = words.then(
      () => setImmediate(() => this.#unsettled.shift()),
      () => undefined,
    );
    return Promise.race([words, this.#closed.promise]);
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#closed.reject(new EarshotError('SESSION_CONFLICT', 'The stream is closed.'));
    }
    return Promise.resolve();
  }

  /** Gives the model what was written up to `endSample`. */
  async #feed(segment: Segment, endSample: number): Promise<void> {
    const samples = this.#audio.slice(segment.fedSample, endSample);
    segment.fedSample = Math.max(segment.fedSample, endSample);
    if (samples.length > 0) await this.#options.decoder.feed(segment.stream, samples);
  }

  async #finish(segment: Segment, endSample: number): Promise<readonly Word[]> {
    if (endSample - segment.startSample < MIN_SEGMENT_SAMPLES) return [];
    const result = await this.#options.decoder.finish(segment.stream);
    return this.#wordsOf(segment, result, endSample);
  }

  #wordsOf(segment: Segment, result: OnlineResult, endSample: number): Word[] {
    // What the model was given after the segment's end is the next segment's.
    return placed(this.#options.wordsOf(result, segment.fedSample - segment.startSample), segment.startSample, endSample);
  }

  #tellInterim(segment: Segment): void {
    if (this.#isClosed || this.#open !== segment || this.#unsettled[0] !== segment) return;
    const result = this.#options.decoder.result(segment.stream);
    if (result.text === segment.shown) return;
    segment.shown = result.text;
    const words = this.#wordsOf(segment, result, segment.fedSample);
    if (words.length > 0) this.#sink.interim(words.map(withoutConfidence));
  }
}
