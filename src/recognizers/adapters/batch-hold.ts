/** What is told to the engine processes of batch work, besides what belongs to a stream. */
export type HoldMessage = { readonly type: 'hold' } | { readonly type: 'release' };

/** Engine processes that work for batch sessions. */
export interface Holdable {
  broadcast(message: HoldMessage): void;
}

/**
 * While any live lane of any engine waits for its words, batch engines begin no further search: a lower niceness alone lets them run beside it on another core, and searches on neighbouring
 * cores drive each other's model out of the caches that they share. A search that goes on ends first; what is held for long still gets on ({@link SearchTurns}).
 */
export class BatchHold {
  readonly #pools = new Set<Holdable>();
  #waitingLanes = 0;

  /** Answers how to leave it. */
  join(pool: Holdable): () => void {
    this.#pools.add(pool);
    return () => this.#pools.delete(pool);
  }

  /** A live lane begins (1) or ceases (-1) to wait for its engine. */
  laneWaits(change: 1 | -1): void {
    const before = this.#waitingLanes;
    this.#waitingLanes += change;
    if (before === 0) this.#tell('hold');
    else if (this.#waitingLanes === 0) this.#tell('release');
  }

  #tell(type: HoldMessage['type']): void {
    for (const pool of this.#pools) pool.broadcast({ type });
  }
}
