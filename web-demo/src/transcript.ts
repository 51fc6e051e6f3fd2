import type { Delta, WireWord } from '../../client/browser.ts';

/** One utterance as it is known now. Seconds count from the transcript's start, over every stream it was fed from. */
export interface Utterance {
  readonly id: string;
  readonly lane: number;
  readonly words: readonly WireWord[];
  readonly isFinal: boolean;
  readonly stableWords: number;
  readonly startSeconds: number;
  readonly endSeconds: number;
}

/** What a change asks of a view. */
export type TranscriptChange =
  | { readonly type: 'updated'; readonly utterance: Utterance }
  | { readonly type: 'dropped'; readonly id: string }
  | { readonly type: 'cleared' };

/**
 * The state behind a caption view: deltas in, utterances out.
 * A transcript may be fed by several streams one after another (stop and start, a reconnection);
 * each begins with {@link Transcript.beginStream}, and its times are shifted to the transcript's own.
 */
export class Transcript {
  readonly #utterances = new Map<string, Utterance>();
  readonly #listeners: ((change: TranscriptChange) => void)[] = [];
  #stream = 0;
  #offsetSeconds = 0;
  #lastSeq = -1;

  onChange(listener: (change: TranscriptChange) => void): void {
    this.#listeners.push(listener);
  }

  /** Settled utterances in the order in which they were spoken. */
  get finals(): readonly Utterance[] {
    return [...this.#utterances.values()].filter((each) => each.isFinal).sort(bySpokenTime);
  }

  get endSeconds(): number {
    let end = 0;
    for (const utterance of this.#utterances.values()) end = Math.max(end, utterance.endSeconds);
    return end;
  }

  /** A new stream follows whose second zero lies at `offsetSeconds`. What the last one left unsettled is dropped. */
  beginStream(offsetSeconds: number): void {
    this.dropInterims();
    this.#stream += 1;
    this.#offsetSeconds = offsetSeconds;
    this.#lastSeq = -1;
  }

  /** Deltas seen before (a resumed socket repeats them) and deltas for settled utterances change nothing. */
  apply(delta: Delta): void {
    if (delta.seq !== undefined) {
      if (delta.seq <= this.#lastSeq) return;
      this.#lastSeq = delta.seq;
    }
    const id = `${this.#stream}/${delta.segmentId}`;
    if (this.#utterances.get(id)?.isFinal) return;
    if (delta.words.length === 0) {
      this.#drop(id);
      return;
    }
    const utterance: Utterance = {
      id,
      lane: delta.lane,
      words: delta.words.map((word) => this.#shifted(word)),
      isFinal: delta.isFinal,
      stableWords: delta.stableWords,
      startSeconds: delta.startSeconds + this.#offsetSeconds,
      endSeconds: delta.endSeconds + this.#offsetSeconds,
    };
    this.#utterances.set(id, utterance);
    this.#emit({ type: 'updated', utterance });
  }

  dropInterims(): void {
    for (const [id, utterance] of this.#utterances) if (!utterance.isFinal) this.#drop(id);
  }

  clear(): void {
    this.#utterances.clear();
    this.#emit({ type: 'cleared' });
  }

  #drop(id: string): void {
    if (this.#utterances.delete(id)) this.#emit({ type: 'dropped', id });
  }

  #shifted(word: WireWord): WireWord {
    return {
      ...word,
      ...(word.startSeconds !== undefined && { startSeconds: word.startSeconds + this.#offsetSeconds }),
      ...(word.endSeconds !== undefined && { endSeconds: word.endSeconds + this.#offsetSeconds }),
    };
  }

  #emit(change: TranscriptChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** How sure the engine is of a word, in the three steps that the page draws. */
export type ConfidenceBand = 'high' | 'medium' | 'low';

export function confidenceBand(confidence: number): ConfidenceBand {
  if (confidence >= 0.75) return 'high';
  return confidence >= 0.5 ? 'medium' : 'low';
}

/** Chinese and Japanese set no blanks between words. */
const UNSPACED = /(?<=[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー、。，！？；：]) (?=[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}])/gu;

export const wordsText = (words: readonly WireWord[]): string => words.map((word) => word.text).join(' ').replaceAll(UNSPACED, '');

const bySpokenTime = (a: Utterance, b: Utterance): number => a.startSeconds - b.startSeconds || a.lane - b.lane;
