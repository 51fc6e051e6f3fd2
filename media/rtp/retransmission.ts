/** What was asked for again. */
interface Request {
  readonly missedMs: number;
  asks: number;
  askedMs: number;
  /** Not asked for any more: its answer would come too late, it was asked for often enough, or the sender answers none anyway. */
  isDone: boolean;
}

/** Times one packet is asked for. */
const MAX_ASKS = 3;
/** Before the round trip is known. */
const GUESSED_ROUND_TRIP_MS = 60;
/** Time beyond the round trip that an answer may take. */
const MARGIN_MS = 10;
/** A sender that has answered none of so many requests is only asked now and then. */
const MAX_UNANSWERED = 12;
const ASK_DEAF_EVERY = 8;

/**
 * Decides when lost packets are asked for again (NACK), and how long a hole is worth keeping open for the answer. Pure.
 *
 *     missing       ask           ask again         given up
 *        |--reorder--|-round trip+--|-round trip+------|
 *        |<------------------- waitMs ---------------->|
 *
 * Nothing is asked for whose answer would come too late. Where packets come out of order anyway the first request waits for as long
 * as they usually do.
 */
export class RetransmissionRequests {
  readonly #requests = new Map<number, Request>();
  #unanswered = 0;
  #skipped = 0;
  #sent = 0;

  /** Packets asked for, each time counted. */
  get sent(): number {
    return this.#sent;
  }

  /** Is no request open? */
  get isEmpty(): boolean {
    return this.#requests.size === 0;
  }

  /** How long a missing packet is worth waiting for, all in ms. `targetMs` without the hope of a retransmission. */
  waitMs(targetMs: number, maxMs: number, roundTripMs: number | undefined, reorderMs: number): number {
    const answerMs = this.#answerMs(roundTripMs);
    if (this.#isDeaf || reorderMs + answerMs > maxMs) return targetMs;
    return Math.max(targetMs, Math.min(maxMs, reorderMs + 2 * answerMs));
  }

  /** Of the packets that are missing (extended numbers), those to ask for now. Each is given up `waitMs` after it was first missed. */
  take(missing: readonly number[], nowMs: number, waitMs: number, roundTripMs: number | undefined, reorderMs: number): number[] {
    for (const number of this.#requests.keys()) if (!missing.includes(number)) this.#forget(number);
    const answerMs = this.#answerMs(roundTripMs);
    const wanted: number[] = [];
    for (const number of missing) {
      const request = this.#requests.get(number) ?? { missedMs: nowMs, asks: 0, askedMs: 0, isDone: this.#isMoot() };
      this.#requests.set(number, request);
      if (request.isDone || nowMs < this.#dueMs(request, answerMs, reorderMs)) continue;
      request.isDone = request.asks >= MAX_ASKS || nowMs + answerMs - MARGIN_MS > request.missedMs + waitMs;
      if (request.isDone) continue;
      request.asks += 1;
      request.askedMs = nowMs;
      wanted.push(number);
    }
    this.#sent += wanted.length;
    return wanted;
  }

  /** When `take` is worth calling again; undefined while nothing is asked for. */
  nextDueMs(roundTripMs: number | undefined, reorderMs: number): number | undefined {
    const answerMs = this.#answerMs(roundTripMs);
    let next: number | undefined;
    for (const request of this.#requests.values()) {
      if (!request.isDone) next = Math.min(next ?? Infinity, this.#dueMs(request, answerMs, reorderMs));
    }
    return next;
  }

  /**
   * A missing packet came. Answers whether it was sent again because it was asked for, and the round trip that this measures
   * (only a packet that was asked for once tells).
   */
  arrived(number: number, nowMs: number, roundTripMs: number | undefined): { readonly isAnswer: boolean; readonly roundTripMs?: number } {
    const request = this.#requests.get(number);
    this.#requests.delete(number);
    if (!request || request.asks === 0) return { isAnswer: false };
    const afterMs = nowMs - request.askedMs;
    // Sooner than light: it was on its way already.
    if (request.asks === 1 && roundTripMs !== undefined && afterMs < roundTripMs / 2) return { isAnswer: false };
    this.#unanswered = 0;
    return { isAnswer: true, ...(request.asks === 1 && { roundTripMs: afterMs }) };
  }

  /** Another stream: its numbers are others. */
  restart(): void {
    this.#requests.clear();
  }

  #forget(number: number): void {
    if ((this.#requests.get(number)?.asks ?? 0) > 0) this.#unanswered += 1;
    this.#requests.delete(number);
  }

  get #isDeaf(): boolean {
    return this.#unanswered >= MAX_UNANSWERED;
  }

  #isMoot(): boolean {
    if (!this.#isDeaf) return false;
    this.#skipped += 1;
    return this.#skipped % ASK_DEAF_EVERY !== 0;
  }

  #answerMs(roundTripMs: number | undefined): number {
    return (roundTripMs ?? GUESSED_ROUND_TRIP_MS) + MARGIN_MS;
  }

  #dueMs(request: Request, answerMs: number, reorderMs: number): number {
    return request.asks === 0 ? request.missedMs + reorderMs : request.askedMs + answerMs;
  }
}
