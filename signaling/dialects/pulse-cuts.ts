import { textOf, type Utterance, type Word } from '../../src/core/transcript.ts';

/** What of an utterance is told as finals of their own, and what is left of it. */
export interface Cut {
  readonly pieces: readonly Utterance[];
  readonly rest: Utterance;
}

/**
 * Cuts utterances after so many words (`max_words`), each piece as soon as its words are as they will be. Of the last utterance there is always a rest, which may be empty.
 * `inInterims`: false where finals are written otherwise than interims; then only finals are cut.
 */
export class WordCuts {
  readonly #maxWords: number;
  readonly #inInterims: boolean;
  /** Words that were told as pieces of the utterance under way. */
  #told = 0;

  constructor(maxWords: number, inInterims: boolean) {
    this.#maxWords = maxWords;
    this.#inInterims = inInterims;
  }

  /** `isHeld`: no piece may be told now. */
  interim(utterance: Utterance, isHeld: boolean): Cut {
    return this.#cut(utterance, this.#inInterims && !isHeld ? (utterance.settledWords ?? 0) : 0, false);
  }

  final(utterance: Utterance): Cut {
    const cut = this.#cut(utterance, utterance.words.length, true);
    this.#told = 0;
    return cut;
  }

  /** Whole pieces of the settled words; a final keeps its last words for the rest. */
  #cut(utterance: Utterance, settled: number, isFinal: boolean): Cut {
    const pieces: Utterance[] = [];
    while (isFinal ? settled - this.#told > this.#maxWords : settled - this.#told >= this.#maxWords) {
      pieces.push(part(utterance, utterance.words.slice(this.#told, this.#told + this.#maxWords)));
      this.#told += this.#maxWords;
    }
    return { pieces, rest: this.#told === 0 ? utterance : part(utterance, utterance.words.slice(this.#told)) };
  }
}

const part = (utterance: Utterance, words: readonly Word[]): Utterance => ({
  ...utterance,
  text: textOf(words),
  words,
  startSample: words[0]?.startSample ?? utterance.endSample,
  endSample: words.at(-1)?.endSample ?? utterance.endSample,
});
