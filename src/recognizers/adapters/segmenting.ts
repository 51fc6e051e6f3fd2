import { SAMPLE_RATE_HZ, type PcmFrame } from '../../core/audio.ts';
import type { Clock } from '../../core/clock.ts';
import { EarshotError } from '../../core/errors.ts';
import { MAX_LOOK_BACK_SAMPLES, type RecognizerSink, type RecognizerStream } from '../../core/recognizer.ts';
import type { Word } from '../../core/transcript.ts';
import { LaneAudio } from './lane-audio.ts';

/** What an engine made of a stretch of audio. */
export interface Heard {
  /** Positions are samples from the start of the stretch. */
  readonly words: readonly Word[];
  /** What the engine found it to be in, by ISO 639-1 code, where it finds out. */
  readonly language?: string;
}

/** An engine that takes a whole stretch of speech at a time, shared by all lanes. */
export interface BatchEngine {
  /** Work is waiting: nothing should be asked that can be done without. */
  readonly isBusy: boolean;
  transcribe(samples: Int16Array): Promise<Heard>;
}

export interface SegmentingOptions {
  readonly engine: BatchEngine;
  readonly clock: Clock;
  /** Whether to tell interims. Default true. */
  readonly interims?: boolean;
}

/** New audio that is worth another look at the whole segment. */
const INTERIM_STEP_SAMPLES = SAMPLE_RATE_HZ;
/** An interim is followed by a pause of this many times what it cost, so that all interims of a lane take at most a fifth of its time. */
const INTERIM_REST = 4;
/** When to look again at an engine that is busy with what must be done. */
const BUSY_RETRY_MS = 200;
/** Shorter than any word. Engines fail on it, or invent something. */
export const MIN_SEGMENT_SAMPLES = SAMPLE_RATE_HZ / 10;
/** Segments that may wait for the engine before the lane is paused. */
const MAX_UNSETTLED_SEGMENTS = 2;

const NOTHING: Heard = { words: [] };

interface Segment {
  readonly startSample: number;
  /** End of the audio that the last interim knew. */
  shownToSample: number;
}

/**
 * An engine for whole stretches as one that follows speech: a segment is transcribed when it ends. While it grows it is transcribed
 * now and then for interims, as often as the engine has time to spare. Nothing is transcribed outside segments.
 */
export class SegmentingStream implements RecognizerStream {
  readonly #options: SegmentingOptions;
  readonly #sink: Pick<RecognizerSink, 'interim' | 'language'>;
  readonly #audio = new LaneAudio();
  #open: Segment | undefined;
  #unsettled = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #interim: Promise<void> | undefined;
  #nextInterimMs = -Infinity;
  #cancelRetry: () => void = () => undefined;
  readonly #closed = Promise.withResolvers<never>();
  #isClosed = false;

  constructor(options: SegmentingOptions, sink: Pick<RecognizerSink, 'interim' | 'language'>) {
    this.#options = options;
    this.#sink = sink;
    this.#closed.promise.catch(() => undefined);
  }

  async write(frame: PcmFrame): Promise<void> {
    if (this.#isClosed) return;
    this.#audio.write(frame);
    this.#audio.trim(Math.min(this.#open?.startSample ?? Infinity, this.#audio.endSample - MAX_LOOK_BACK_SAMPLES));
    this.#maybeTellInterim();
    if (this.#unsettled > MAX_UNSETTLED_SEGMENTS) await Promise.race([this.#tail, this.#closed.promise]).catch(() => undefined);
  }

  beginSegment(startSample: number): void {
    this.#open = { startSample, shownToSample: startSample };
  }

  endSegment(endSample: number): Promise<readonly Word[]> {
    const segment = this.#open;
    this.#open = undefined;
    if (this.#isClosed) return this.#closed.promise;
    if (!segment) return Promise.resolve([]);
    const samples = this.#audio.slice(segment.startSample, endSample);
    this.#unsettled += 1;
    const words = this.#tail.then(async () => {
      const heard = await this.#transcribe(samples, segment.startSample);
      if (heard.language !== undefined && heard.words.length > 0 && !this.#isClosed) this.#sink.language?.(heard.language);
      return heard.words;
    });
    this.#tail = words
      .catch(() => undefined)
      .finally(() => {
        this.#unsettled -= 1;
      });
    return Promise.race([words, this.#closed.promise]);
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#cancelRetry();
      this.#closed.reject(new EarshotError('SESSION_CONFLICT', 'The stream is closed.'));
    }
    return Promise.resolve();
  }

  /** Looks at the growing segment again if there is enough new in it, at once or when the engine can spare the time. */
  #maybeTellInterim(): void {
    const { engine, clock, interims = true } = this.#options;
    const segment = this.#open;
    const { endSample } = this.#audio;
    if (!interims || !segment || this.#isClosed || this.#interim || endSample - segment.shownToSample < INTERIM_STEP_SAMPLES) return;
    const restMs = this.#nextInterimMs - clock.nowMs();
    const isBusy = this.#unsettled > 0 || engine.isBusy;
    if (restMs > 0 || isBusy) {
      this.#cancelRetry();
      this.#cancelRetry = clock.setTimer(Math.max(restMs, isBusy ? BUSY_RETRY_MS : 0), () => {
        this.#maybeTellInterim();
      });
      return;
    }
    segment.shownToSample = endSample;
    this.#interim = this.#tellInterim(segment, endSample).finally(() => {
      this.#interim = undefined;
      this.#maybeTellInterim();
    });
  }

  async #tellInterim(segment: Segment, endSample: number): Promise<void> {
    const { clock } = this.#options;
    const startedMs = clock.nowMs();
    // What fails here fails again, and is told, when the segment ends.
    const { words } = await this.#transcribe(this.#audio.slice(segment.startSample, endSample), segment.startSample).catch(() => NOTHING);
    this.#nextInterimMs = clock.nowMs() + INTERIM_REST * (clock.nowMs() - startedMs);
    if (this.#open === segment && !this.#isClosed && words.length > 0) this.#sink.interim(words.map(withoutConfidence));
  }

  async #transcribe(samples: Int16Array, startSample: number): Promise<Heard> {
    if (samples.length < MIN_SEGMENT_SAMPLES || this.#isClosed) return NOTHING;
    const heard = await this.#options.engine.transcribe(samples);
    return { ...heard, words: placed(heard.words, startSample, startSample + samples.length) };
  }
}

/** Words of a stretch as words of the lane: those that begin in the segment, cut off at its end. */
export function placed(words: readonly Word[], startSample: number, endSample: number): Word[] {
  return words
    .map((word) => ({ ...word, startSample: word.startSample + startSample, endSample: Math.min(endSample, word.endSample + startSample) }))
    .filter((word) => word.startSample < word.endSample);
}

export function withoutConfidence(word: Word): Word {
  const { text, startSample, endSample, untimed } = word;
  return { text, startSample, endSample, ...(untimed && { untimed }) };
}
