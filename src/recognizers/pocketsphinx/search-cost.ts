/** What a second of speech is taken to cost before any was searched, in seconds; and what share of a process may be used up. */
const FIRST_COST = 0.165;
const USABLE_SHARE = 0.85;
/** What is measured counts for half after so much more speech. */
const HALF_LIFE_MS = 60_000;
const MIN_STREAMS = 1;
/** However fast the machine: each may need a decoder, about 100 MB. */
export const MAX_LIVE_PER_PROCESS = 10;

/**
 * How many people who talk all the time one engine process keeps up with, by what searching their speech has cost lately: by the clock, so
 * that a slow machine and one on which others work hold fewer. Begins with 5.
 */
export class SearchCost {
  #cost = FIRST_COST;

  /** `searchMs` were spent on `speechMs` of speech. */
  add(searchMs: number, speechMs: number): void {
    if (speechMs <= 0) return;
    const kept = 0.5 ** (speechMs / HALF_LIFE_MS);
    this.#cost = this.#cost * kept + (searchMs / speechMs) * (1 - kept);
  }

  get streamsPerProcess(): number {
    return Math.max(MIN_STREAMS, Math.min(MAX_LIVE_PER_PROCESS, USABLE_SHARE / this.#cost));
  }
}
