import type { PcmFrame } from '../../core/audio.ts';
import { EarshotError } from '../../core/errors.ts';
import { MAX_LOOK_BACK_SAMPLES } from '../../core/recognizer.ts';
import type { Word } from '../../core/transcript.ts';

/** One thing that a lane does to its recognizer stream. */
export type SpeechOperation =
  | { readonly type: 'audio'; readonly startSample: number; readonly samples: Int16Array }
  | { readonly type: 'begin'; readonly segment: number; readonly startSample: number }
  | { readonly type: 'pause'; readonly segment: number; readonly atSample: number }
  | { readonly type: 'resume'; readonly segment: number; readonly atSample: number }
  | { readonly type: 'end'; readonly segment: number; readonly endSample: number };

interface Segment {
  readonly id: number;
  readonly startSample: number;
  readonly words: PromiseWithResolvers<readonly Word[]>;
}

/**
 * What a lane did since the oldest segment that is not settled, so that the same can be done to another engine when one is lost: no
 * word missing, and none twice, because what was settled is forgotten. It holds the unsettled segments and the audio that a segment may
 * still look back to, and no more; a reading position tells how much the present engine has been given.
 *
 *   forgotten | look-back   begin 7 ... end 7   begin 8 ...          | not written yet
 *                           ^ oldest                  ^ position
 */
export class SpeechJournal {
  #operations: SpeechOperation[] = [];
  #position = 0;
  /** Unsettled, oldest first. */
  #segments: Segment[] = [];
  #open: Segment | undefined;
  #count = 0;
  #writtenSample = 0;

  /** Id of the oldest segment that is not settled; engines tell interims of this one. */
  get oldest(): number | undefined {
    return this.#segments[0]?.id;
  }

  /** Samples kept. */
  get keptSamples(): number {
    return this.#operations.reduce((sum, operation) => sum + samplesOf(operation), 0);
  }

  write(frame: PcmFrame): void {
    this.#operations.push({ type: 'audio', startSample: frame.startSample, samples: frame.samples });
    this.#writtenSample = frame.startSample + frame.samples.length;
    if (this.#segments.length === 0) this.#forget();
  }

  begin(startSample: number): void {
    this.#open = { id: this.#count, startSample, words: Promise.withResolvers() };
    this.#open.words.promise.catch(() => undefined);
    this.#count += 1;
    this.#segments.push(this.#open);
    this.#operations.push({ type: 'begin', segment: this.#open.id, startSample });
  }

  /** The open segment pauses, or goes on. */
  hint(type: 'pause' | 'resume', atSample: number): void {
    if (this.#open) this.#operations.push({ type, segment: this.#open.id, atSample });
  }

  /** Ends the open segment; resolves with its words once it is settled. Without an open segment there are none. */
  end(endSample: number): Promise<readonly Word[]> {
    const segment = this.#open;
    this.#open = undefined;
    if (!segment) return Promise.resolve([]);
    this.#operations.push({ type: 'end', segment: segment.id, endSample });
    return segment.words.promise;
  }

  /** The next operation for the present engine, if it has not been given all. */
  read(): SpeechOperation | undefined {
    const operation = this.#operations[this.#position];
    if (operation) this.#position += 1;
    return operation;
  }

  /** Another engine begins: everything kept is to be read again. */
  rewind(): void {
    this.#position = 0;
  }

  /** The oldest segment has its words. False, and nothing happens, if that is another one: an engine that was given up spoke late. */
  settle(id: number, words: readonly Word[]): boolean {
    if (this.oldest !== id) return false;
    const segment = this.#segments.shift();
    const isKept = (operation: SpeechOperation): boolean => operation.type === 'audio' || operation.segment !== id;
    this.#position = this.#operations.slice(0, this.#position).filter(isKept).length;
    this.#operations = this.#operations.filter(isKept);
    this.#forget();
    segment?.words.resolve(words);
    return true;
  }

  /** Nothing more will be settled. */
  abandon(error: EarshotError): void {
    this.#operations = [];
    this.#position = 0;
    this.#open = undefined;
    for (const { words } of this.#segments.splice(0)) words.reject(error);
  }

  /** Audio that no segment can reach any more; a fresh engine needs a little of what came before to follow the background. */
  #forget(): void {
    const beforeSample = (this.#segments[0]?.startSample ?? this.#writtenSample) - MAX_LOOK_BACK_SAMPLES;
    const kept = this.#operations.findIndex((operation) => operation.type !== 'audio' || operation.startSample + operation.samples.length > beforeSample);
    const count = kept < 0 ? this.#operations.length : kept;
    this.#operations.splice(0, count);
    this.#position = Math.max(0, this.#position - count);
  }
}

/** What who awaits words is told when their stream is closed. */
export const closedError = (): EarshotError => new EarshotError('SESSION_CONFLICT', 'The stream is closed.');

const samplesOf = (operation: SpeechOperation): number => (operation.type === 'audio' ? operation.samples.length : 0);
