import { type Utterance, type Word, textOf } from '../transcript.ts';

/** A word is stable once it stood unchanged in this many interims in a row. */
const STABLE_AFTER_INTERIMS = 3;

const sameText = (a: Word | undefined, b: Word | undefined): boolean => a !== undefined && a.text === b?.text;

/**
 * One utterance while it grows: the words of its settled segments, then the present segment as last heard.
 * Engines rewrite their interims often. What has stood unchanged long enough is held: later interims keep those
 * words, and only what the engine says beyond them changes. Settling a segment replaces its interim words for good.
 */
export class UtteranceBuilder {
  readonly id: string;
  readonly laneIndex: number;
  readonly startSample: number;
  /** Text of the last interim that went out; undefined if none did. */
  shownText: string | undefined;
  #settled: readonly Word[] = [];
  #held: readonly Word[] = [];
  #history: (readonly Word[])[] = [];
  #interim: readonly Word[] = [];

  constructor(id: string, laneIndex: number, startSample: number) {
    this.id = id;
    this.laneIndex = laneIndex;
    this.startSample = startSample;
  }

  /** Takes the present segment as heard now; answers false where nothing changed for a reader. */
  hear(words: readonly Word[]): boolean {
    const heldEnd = this.#held.at(-1)?.endSample ?? -1;
    const shown = [...this.#held, ...words.filter((word) => (word.startSample + word.endSample) / 2 > heldEnd)];
    const changed = textOf(shown) !== textOf(this.#interim);
    this.#history = [...this.#history.slice(1 - STABLE_AFTER_INTERIMS), shown];
    this.#interim = shown;
    if (this.#history.length === STABLE_AFTER_INTERIMS) this.#hold(shown);
    return changed;
  }

  /** The segment's words are final. */
  settle(words: readonly Word[]): void {
    this.#settled = [...this.#settled, ...words];
    this.#held = [];
    this.#history = [];
    this.#interim = [];
  }

  /** The utterance as known now. */
  snapshot(): Utterance {
    const words = [...this.#settled, ...this.#interim];
    return {
      id: this.id,
      laneIndex: this.laneIndex,
      text: textOf(words),
      words,
      startSample: words[0]?.startSample ?? this.startSample,
      endSample: words.at(-1)?.endSample ?? this.startSample,
      stableWords: this.#settled.length + this.#held.length,
      settledWords: this.#settled.length,
    };
  }

  #hold(shown: readonly Word[]): void {
    let count = this.#held.length;
    // The last word is still being spoken.
    while (count < shown.length - 1 && this.#history.every((words) => sameText(words[count], shown[count]))) count += 1;
    this.#held = shown.slice(0, count);
  }
}
