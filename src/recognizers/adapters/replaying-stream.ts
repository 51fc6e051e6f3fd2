import type { PcmFrame } from '../../core/audio.ts';
import { EarshotError } from '../../core/errors.ts';
import { MAX_LOOK_BACK_SAMPLES, type RecognizerSink, type RecognizerStream } from '../../core/recognizer.ts';
import type { Word } from '../../core/transcript.ts';
import type { FromEngine, ToEngine } from './engine-messages.ts';
import type { EngineProcess } from './engine-pool.ts';

/** Samples that an engine process may have unsearched before the lane is paused. */
const MAX_UNCONSUMED_SAMPLES = 3 * 16_000;
/** The same segment may take down this many processes before the stream gives up. */
const MAX_LOSSES_PER_SEGMENT = 3;

/** Where engine processes come from. */
export interface Engines<State> {
  /** A process that can serve, as soon as there is one; undefined once there will be none. Rejects with what keeps all from starting. */
  pick(): Promise<EngineProcess<ToEngine<State>, FromEngine<State>> | undefined>;
}

type Operation = Exclude<ToEngine<never>, { readonly type: 'open' | 'close' }>;

interface PendingSegment {
  readonly id: number;
  readonly startSample: number;
  resolve: ((words: readonly Word[]) => void) | undefined;
  reject: ((error: EarshotError) => void) | undefined;
}

/**
 * One lane's stream into the engine pool. It keeps every operation since the last settled segment, so that when the
 * engine process dies the same operations go to another one and nothing that was said is lost.
 */
export class ReplayingStream<State> implements RecognizerStream {
  readonly #stream: number;
  readonly #engines: Engines<State>;
  readonly #language: string | undefined;
  readonly #sink: RecognizerSink;
  readonly #operations: Operation[] = [];
  /** Segments whose words are awaited, oldest first. */
  readonly #pending: PendingSegment[] = [];
  #open: PendingSegment | undefined;
  #engine: EngineProcess<ToEngine<State>, FromEngine<State>> | undefined;
  #state: State | undefined;
  #segments = 0;
  #writtenSample = 0;
  #unconsumedSamples = 0;
  #lossesOfSegment = 0;
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
    this.#do({ type: 'audio', stream: this.#stream, startSample: frame.startSample, samples: frame.samples });
    this.#unconsumedSamples += frame.samples.length;
    this.#writtenSample = frame.startSample + frame.samples.length;
    if (this.#pending.length === 0) this.#trim(this.#writtenSample - MAX_LOOK_BACK_SAMPLES);
    while (this.#unconsumedSamples > MAX_UNCONSUMED_SAMPLES && !this.#closed) {
      await new Promise<void>((resolve) => this.#wakeWriters.push(resolve));
      // What was lost on the way may only be known now.
      if (this.#failure as EarshotError | undefined) throw this.#failure as unknown as Error;
    }
  }

  beginSegment(startSample: number): void {
    const id = this.#segments;
    this.#segments += 1;
    this.#open = { id, startSample, resolve: undefined, reject: undefined };
    this.#pending.push(this.#open);
    this.#do({ type: 'begin', stream: this.#stream, segment: id, startSample });
  }

  endSegment(endSample: number): Promise<readonly Word[]> {
    const segment = this.#open;
    this.#open = undefined;
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#closed) return Promise.reject(closedError());
    if (!segment) return Promise.resolve([]);
    this.#do({ type: 'end', stream: this.#stream, segment: segment.id, endSample });
    return new Promise((resolve, reject) => {
      segment.resolve = resolve;
      segment.reject = reject;
    });
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#engine?.send({ type: 'close', stream: this.#stream });
    this.#engine?.detach(this.#stream);
    this.#engine = undefined;
    this.#operations.length = 0;
    for (const segment of this.#pending.splice(0)) segment.reject?.(closedError());
    this.#wake();
    return Promise.resolve();
  }

  /** Every change to the lane goes through here: kept for a replay, and sent if an engine is there. */
  #do(operation: Operation): void {
    if (this.#closed) return;
    this.#operations.push(operation);
    this.#engine?.send(operation);
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
    this.#unconsumedSamples = 0;
    for (const operation of this.#operations) {
      if (operation.type === 'audio') this.#unconsumedSamples += operation.samples.length;
      engine.send(operation);
    }
  }

  #lost(): void {
    this.#engine = undefined;
    if (this.#closed) return;
    if (this.#pending.length > 0) {
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
        return;
      case 'interim':
        if (message.segment === this.#pending[0]?.id) this.#sink.interim(message.words);
        return;
      case 'settled':
        if (message.language !== undefined && message.segment === this.#pending[0]?.id) this.#sink.language?.(message.language);
        this.#settle(message.segment, message.words, message.state);
        return;
    }
  }

  #tellRecovered(): void {
    if (!this.#recovering) return;
    this.#recovering = false;
    this.#sink.recovered(this.#operations.reduce((sum, op) => sum + (op.type === 'audio' ? op.samples.length : 0), 0));
  }

  #settle(id: number, words: readonly Word[], state: State): void {
    const segment = this.#pending[0];
    if (segment?.id !== id) return;
    this.#pending.shift();
    this.#state = state;
    this.#lossesOfSegment = 0;
    const ended = this.#operations.findIndex((op) => op.type === 'end' && op.segment === id);
    const marks = (op: Operation): boolean => op.type !== 'audio' && op.segment === id;
    if (ended >= 0) this.#operations.splice(0, this.#operations.length, ...this.#operations.filter((op) => !marks(op)));
    this.#trim((this.#pending[0]?.startSample ?? this.#writtenSample) - MAX_LOOK_BACK_SAMPLES);
    segment.resolve?.(words);
  }

  /** Forgets audio before `sample`; a fresh engine needs a little of what came before to follow the background. */
  #trim(sample: number): void {
    let count = 0;
    for (const op of this.#operations) {
      if (op.type !== 'audio' || op.startSample + op.samples.length > sample) break;
      count += 1;
    }
    if (count > 0) this.#operations.splice(0, count);
  }

  #fail(failure: EarshotError): void {
    this.#failure = failure;
    this.#operations.length = 0;
    for (const segment of this.#pending.splice(0)) segment.reject?.(failure);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }
}

const closedError = (): EarshotError => new EarshotError('SESSION_CONFLICT', 'The stream is closed.');

const backendError = (message: string, cause?: unknown): EarshotError => new EarshotError('BACKEND_ERROR', message, { cause });
