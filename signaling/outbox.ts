/** Messages to a client that comes and goes: kept until it is known that it received them. */
export class Outbox {
  #kept: string[] = [];
  /** Place of the first that is kept, counted from the first ever. */
  #start = 0;

  /** Place after the newest. */
  get end(): number {
    return this.#start + this.#kept.length;
  }

  /** Place of the oldest that the client may not have. */
  get start(): number {
    return this.#start;
  }

  put(texts: readonly string[]): void {
    this.#kept.push(...texts);
  }

  /** The message at a place from `start` to `end`. */
  at(place: number): string {
    return this.#kept[place - this.#start] ?? '';
  }

  /** The client has everything before this place. */
  confirm(place: number): void {
    const received = Math.max(0, place - this.#start);
    this.#kept.splice(0, received);
    this.#start += received;
  }
}
