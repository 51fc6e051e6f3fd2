import type { PcmFrame } from '../../core/audio.ts';
import type { Clock } from '../../core/clock.ts';
import { EarshotError, toEarshotError } from '../../core/errors.ts';
import type { RecognizerLease, RecognizerSink, RecognizerStream } from '../../core/recognizer.ts';
import type { Word } from '../../core/transcript.ts';
import { closedError, SpeechJournal, type SpeechOperation } from './speech-journal.ts';

/** After so many stalls in a row, whoever served in them, the stream is given up. */
const MAX_STALLS = 5;

export interface FailoverStreamOptions {
  readonly sink: RecognizerSink;
  readonly clock: Clock;
  /** Longest time without any sign of life while something is awaited, in ms. */
  readonly stallMs: number;
  /** The present engine gave a sign of life. */
  readonly onAlive: () => void;
  /** A segment got its words, so long after its end was told to the engine. */
  readonly onSettled: (latencyMs: number) => void;
  /** The present engine failed, or `isSilent`. True: it was left, and another one was given by `attach`. */
  readonly onLost: (error: EarshotError, isSilent: boolean) => boolean;
}

/** One engine at work for the stream. */
interface Attachment {
  readonly inner: RecognizerStream;
  /** Ended segments whose words are awaited, and when the engine was told of their end. */
  readonly ended: Map<number, number>;
  /** Since when the present write waits. */
  writingSinceMs: number | undefined;
  /** Last sign of life. */
  aliveMs: number;
}

/**
 * One lane's stream over engines that may be lost. All that the lane does goes into a journal, and from there to the present engine, one
 * operation after the other; to another engine the journal is read out again from the oldest unsettled segment on.
 *
 *   lane -> journal -> [reading] -> engine -> words -> settled, forgotten
 *              ^------- rewind ------ lost: it failed, or was silent for `stallMs`
 */
export class FailoverStream implements RecognizerStream {
  readonly #options: FailoverStreamOptions;
  readonly #journal = new SpeechJournal();
  #attachment: Attachment | undefined;
  #isReading = false;
  /** Writes that wait until the engine has taken all. */
  #waiting: PromiseWithResolvers<void>[] = [];
  #cancelWatch: (() => void) | undefined;
  #stalls = 0;
  #failure: EarshotError | undefined;
  #closed = false;

  constructor(options: FailoverStreamOptions, lease: RecognizerLease) {
    this.#options = options;
    this.attach(lease);
  }

  /** Goes on with this engine; the one before is its owner's to close. */
  attach(lease: RecognizerLease): void {
    if (this.#closed || this.#failure) return;
    const { sink, clock } = this.#options;
    const isPresent = (): boolean => this.#attachment === attachment && !this.#closed;
    const alive = (): void => {
      attachment.aliveMs = clock.nowMs();
      this.#stalls = 0;
      this.#options.onAlive();
    };
    const inner = lease.openStream({
      interim: (words) => {
        if (!isPresent()) return;
        alive();
        sink.interim(words);
      },
      recovered: (replayedSamples) => {
        if (!isPresent()) return;
        alive();
        sink.recovered(replayedSamples);
      },
      language: (code) => {
        if (isPresent()) sink.language?.(code);
      },
      atWork: () => {
        if (isPresent()) alive();
      },
    });
    const attachment: Attachment = { inner, ended: new Map(), writingSinceMs: undefined, aliveMs: clock.nowMs() };
    this.#attachment = attachment;
    this.#journal.rewind();
    this.#isReading = false;
    this.#read();
  }

  async write(frame: PcmFrame): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#closed) return;
    this.#journal.write(frame);
    this.#read();
    const taken = Promise.withResolvers<void>();
    this.#waiting.push(taken);
    await taken.promise;
  }

  beginSegment(startSample: number): void {
    if (this.#failure || this.#closed) return;
    this.#journal.begin(startSample);
    this.#read();
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
    this.#read();
    return words;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#end(closedError());
    await this.#attachment?.inner.close();
  }

  /** Nobody can go on with this: all who wait are told, and the lane ends. */
  fail(error: EarshotError): void {
    if (this.#closed || this.#failure) return;
    this.#failure = error;
    this.#end(error);
  }

  #hint(type: 'pause' | 'resume', atSample: number): void {
    if (this.#failure || this.#closed) return;
    this.#journal.hint(type, atSample);
    this.#read();
  }

  /** Gives the present engine all that it has not been given. */
  #read(): void {
    const attachment = this.#attachment;
    if (!attachment || this.#isReading) return;
    this.#isReading = true;
    void this.#readAll(attachment).catch((error: unknown) => {
      this.#lost(attachment, toEarshotError(error));
    });
  }

  async #readAll(attachment: Attachment): Promise<void> {
    const isPresent = (): boolean => this.#attachment === attachment && !this.#closed && !this.#failure;
    while (isPresent()) {
      const operation = this.#journal.read();
      if (!operation) break;
      await this.#give(attachment, operation);
    }
    if (!isPresent()) return;
    this.#isReading = false;
    for (const taken of this.#waiting.splice(0)) taken.resolve();
  }

  async #give(attachment: Attachment, operation: SpeechOperation): Promise<void> {
    const { inner, ended } = attachment;
    const { clock } = this.#options;
    switch (operation.type) {
      case 'audio':
        attachment.writingSinceMs = clock.nowMs();
        this.#watch();
        await inner.write({ kind: 'pcm', startSample: operation.startSample, samples: operation.samples });
        attachment.writingSinceMs = undefined;
        this.#options.onAlive();
        return;
      case 'begin':
        inner.beginSegment(operation.startSample);
        return;
      case 'pause':
        inner.pauseSegment?.(operation.atSample);
        return;
      case 'resume':
        inner.resumeSegment?.(operation.atSample);
        return;
      case 'end':
        ended.set(operation.segment, clock.nowMs());
        this.#watch();
        void this.#settle(attachment, operation.segment, inner.endSegment(operation.endSample));
        return;
    }
  }

  async #settle(attachment: Attachment, segment: number, words: Promise<readonly Word[]>): Promise<void> {
    try {
      const settled = await words;
      if (this.#attachment !== attachment || this.#closed || this.#failure) return;
      const nowMs = this.#options.clock.nowMs();
      const endedMs = attachment.ended.get(segment) ?? nowMs;
      attachment.ended.delete(segment);
      attachment.aliveMs = nowMs;
      this.#stalls = 0;
      this.#options.onSettled(nowMs - endedMs);
      this.#journal.settle(segment, settled);
    } catch (error) {
      this.#lost(attachment, toEarshotError(error));
    }
  }

  #lost(attachment: Attachment, error: EarshotError): void {
    if (this.#attachment !== attachment || this.#closed || this.#failure) return;
    if (!this.#options.onLost(error, false)) this.fail(error);
  }

  /** Looks, while something is awaited, whether the engine gives any sign of life. */
  #watch(): void {
    if (this.#cancelWatch || this.#closed || this.#failure) return;
    const { clock, stallMs } = this.#options;
    const dueMs = this.#dueMs();
    if (dueMs === undefined) return;
    this.#cancelWatch = clock.setTimer(Math.max(1, dueMs - clock.nowMs()), () => {
      this.#cancelWatch = undefined;
      const nowDueMs = this.#dueMs();
      if (nowDueMs !== undefined && nowDueMs <= clock.nowMs()) this.#stalled(stallMs);
      this.#watch();
    });
  }

  /** When what is awaited is overdue. */
  #dueMs(): number | undefined {
    const attachment = this.#attachment;
    if (!attachment) return undefined;
    const [oldestEndedMs] = attachment.ended.values();
    const since = [attachment.writingSinceMs, oldestEndedMs].filter((ms) => ms !== undefined);
    return since.length === 0 ? undefined : Math.max(attachment.aliveMs, Math.min(...since)) + this.#options.stallMs;
  }

  #stalled(stallMs: number): void {
    const attachment = this.#attachment;
    if (!attachment) return;
    this.#stalls += 1;
    const error = new EarshotError('BACKEND_TIMEOUT', `The recognizer told nothing for ${String(Math.round((stallMs * this.#stalls) / 1000))} s.`);
    const isLeft = this.#options.onLost(error, true);
    if (this.#stalls >= MAX_STALLS) this.fail(error);
    // Nobody else can: it may still come.
    else if (!isLeft) attachment.aliveMs = this.#options.clock.nowMs();
  }

  #end(error: EarshotError): void {
    this.#cancelWatch?.();
    this.#cancelWatch = undefined;
    this.#journal.abandon(error);
    for (const taken of this.#waiting.splice(0)) {
      if (this.#failure) taken.reject(error);
      else taken.resolve();
    }
  }
}
