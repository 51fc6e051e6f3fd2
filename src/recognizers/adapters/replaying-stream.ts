import type { PcmFrame } from '../../core/audio.ts';
import { EarshotError } from '../../core/errors.ts';
import type { RecognizerSink, RecognizerStream } from '../../core/recognizer.ts';
import type { Word } from '../../core/transcript.ts';
import type { FromEngine, ToEngine } from './engine-messages.ts';
import type { EngineProcess } from './engine-pool.ts';
import { closedError, SpeechJournal } from './speech-journal.ts';

/** Samples that an engine process may have unsearched before the lane is paused. */
const MAX_UNCONSUMED_SAMPLES = 3 * 16_000;
/** Speech that is on its way through an engine which keeps up. */
const IN_PASSING_SAMPLES = 0.3 * 16_000;
/** The same segment may take down this many processes before the stream gives up. */
const MAX_LOSSES_PER_SEGMENT = 3;

/** Where engine processes come from, and who hears what they cost. */
export interface Engines<State> {
  /** A process that can serve, as soon as there is one; undefined once there will be none. Rejects with what keeps all from starting. */
  pick(): Promise<EngineProcess<ToEngine<State>, FromEngine<State>> | undefined>;
  /** A segment was searched. Default: nobody listens. */
  searched?(cost: { readonly searchMs: number; readonly speechMs: number }): void;
  /** A lane begins (1) or ceases (-1) to wait for its engine: for the words of a segment that has ended, or for more than a moment of speech to be searched. Default: nobody listens. */
  waiting?(change: 1 | -1): void;
}

/**
 * One lane's stream into the engine pool. Its journal keeps what was done since the last settled
 * segment, so that when the engine process dies the same is done to another one and nothing that was said is lost.
 */
export class ReplayingStream<State> implements RecognizerStream {
  readonly #stream: number;
  readonly #engines: Engines<State>;
  readonly #language: string | undefined;
  readonly #sink: RecognizerSink;
  readonly #journal = new SpeechJournal();
  #engine: EngineProcess<ToEngine<State>, FromEngine<State>> | undefined;
  #state: State | undefined;
  #unconsumedSamples = 0;
  #lossesOfSegment = 0;
  /** Segments that have ended and are not settled. */
  #awaitedSegments = 0;
  #isWaiting = false;
  /** The present engine process has answered. */
  #opened = false;
  /** A segment was open when the engine was lost, and no other process has answered since. */
  #recovering = false;
  #wakeWriters: (() => void)[] = [];
  #failure: EarshotError | undefined;
  #closed = false;

  /** `language`: ISO 639-1 code that is expected, for engines that can use it. */
  constructor(stream: number, engines: Engines<State>, sink: RecognizerSink, language?: string) {
    this.#stream = stream;
    this.#engines = engines;
    this.#language = language;
    this.#sink = sink;
    void this.#connect();
  }

  async write(frame: PcmFrame): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#closed) return;
    this.#journal.write(frame);
    this.#unconsumedSamples += frame.samples.length;
    this.#sendUnread();
    this.#tellWaiting();
    while (this.#isFull()) {
      await new Promise<void>((resolve) => this.#wakeWriters.push(resolve));
      // What was lost on the way may only be known now.
      if (this.#failure as EarshotError | undefined) throw this.#failure as unknown as Error;
    }
  }

  beginSegment(startSample: number): void {
    if (this.#failure || this.#closed) return;
    this.#journal.begin(startSample);
    this.#sendUnread();
  }

  pauseSegment(atSample: number): void {
    this.#hint('pause', atSample);
  }

  resumeSegment(atSample: number): void {
    this.#hint('resume', atSample);
  }

  endSegment(endSample: number): Promise<readonly Word[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#closed) return Promise.reject(closedError());
    const words = this.#journal.end(endSample);
    this.#awaitedSegments += 1;
    const settled = (): void => {
      this.#awaitedSegments -= 1;
      this.#tellWaiting();
    };
    words.then(settled, settled);
    this.#sendUnread();
    this.#tellWaiting();
    return words;
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#engine?.send({ type: 'close', stream: this.#stream });
    this.#engine?.detach(this.#stream);
    this.#engine = undefined;
    this.#journal.abandon(closedError());
    this.#wake();
    this.#tellWaiting();
    return Promise.resolve();
  }

  #hint(type: 'pause' | 'resume', atSample: number): void {
    if (this.#failure || this.#closed) return;
    this.#journal.hint(type, atSample);
    this.#sendUnread();
  }

  #isFull(): boolean {
    return this.#unconsumedSamples > MAX_UNCONSUMED_SAMPLES && !this.#closed;
  }

  #sendUnread(): void {
    const engine = this.#engine;
    if (!engine) return;
    for (let operation = this.#journal.read(); operation; operation = this.#journal.read()) engine.send({ ...operation, stream: this.#stream });
  }

  async #connect(): Promise<void> {
    const engine = await this.#engines.pick().catch((cause: unknown) => {
      this.#fail(cause instanceof EarshotError ? cause : backendError('The recognizer does not start.', cause));
    });
    if (this.#closed || this.#failure) return;
    if (!engine) {
      this.#fail(backendError('The recognizer is shutting down.'));
      return;
    }
    this.#engine = engine;
    this.#opened = false;
    engine.attach(this.#stream, {
      message: (message) => {
        this.#hear(message);
      },
      lost: () => {
        this.#lost();
      },
    });
    engine.send({ type: 'open', stream: this.#stream, state: this.#state, ...(this.#language !== undefined && { language: this.#language }) });
    this.#unconsumedSamples = this.#journal.keptSamples;
    this.#journal.rewind();
    this.#sendUnread();
  }

  #lost(): void {
    this.#engine = undefined;
    if (this.#closed) return;
    if (this.#journal.oldest !== undefined) {
      // A process that never answered was dying when it was picked, as when all are killed together: not this audio's fault.
      if (this.#opened) this.#lossesOfSegment += 1;
      if (this.#lossesOfSegment >= MAX_LOSSES_PER_SEGMENT) {
        this.#fail(backendError('The recognizer fails again and again on this audio.'));
        return;
      }
      this.#recovering = true;
    }
    void this.#connect();
  }

  #hear(message: FromEngine<State>): void {
    switch (message.type) {
      case 'ready':
        return;
      case 'opened':
        this.#opened = true;
        this.#tellRecovered();
        return;
      case 'consumed':
        // A segment that begins in the past is searched over samples that were counted before.
        this.#unconsumedSamples = Math.max(0, this.#unconsumedSamples - message.samples);
        if (this.#unconsumedSamples <= MAX_UNCONSUMED_SAMPLES) this.#wake();
        this.#tellWaiting();
        return;
      case 'searching':
        this.#sink.atWork?.();
        return;
      case 'interim':
        if (message.segment === this.#journal.oldest) this.#sink.interim(message.words);
        return;
      case 'settled':
        if (message.language !== undefined && message.segment === this.#journal.oldest) this.#sink.language?.(message.language);
        if (message.searched) this.#engines.searched?.(message.searched);
        this.#settle(message.segment, message.words, message.state);
        return;
    }
  }

  #tellRecovered(): void {
    if (!this.#recovering) return;
    this.#recovering = false;
    this.#sink.recovered(this.#journal.keptSamples);
  }

  #settle(id: number, words: readonly Word[], state: State): void {
    // Before the words go out: who gets them may write at once.
    if (this.#journal.oldest === id) {
      this.#state = state;
      this.#lossesOfSegment = 0;
    }
    this.#journal.settle(id, words);
  }

  #fail(failure: EarshotError): void {
    this.#failure = failure;
    this.#journal.abandon(failure);
    this.#wake();
    this.#tellWaiting();
  }

  #tellWaiting(): void {
    const isOver = this.#closed || this.#failure !== undefined;
    const waits = !isOver && (this.#awaitedSegments > 0 || this.#unconsumedSamples > IN_PASSING_SAMPLES);
    if (waits === this.#isWaiting) return;
    this.#isWaiting = waits;
    this.#engines.waiting?.(waits ? 1 : -1);
  }

  #wake(): void {
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }
}

const backendError = (message: string, cause?: unknown): EarshotError => new EarshotError('BACKEND_ERROR', message, { cause });
