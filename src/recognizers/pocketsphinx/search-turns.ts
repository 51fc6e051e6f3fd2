/**
 * Whose search runs, in one engine process: lanes take turns, in the order in which they asked. A decoder's working set is far
 * larger than the caches of a core, so a lane uses its turn for all that it has waiting: the fuller the house, the longer the
 * turns and the less each second of audio costs.
 */
export class SearchTurns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `turn` once all turns asked for before are over; settles as it does. */
  take<T>(turn: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(turn);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}
