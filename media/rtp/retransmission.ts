/** What was asked for again. */
interface Request {
  readonly missedMs: number;
  asks: number;
  askedMs: number;
  /** Not asked for any more: its answer would come too late, it was asked for often enough, or the sender answers none anyway. */
  isDone: boolean;
}

/** Times one packet is asked for. */
const MAX_ASKS = 10;
/** Before the round trip is known. */
const GUESSED_ROUND_TRIP_MS = 60;
/** Time beyond the round trip that an answer may take. */
const MARGIN_MS = 10;
/** From the third request on they follow each other as fast as this, or half a round trip if that is longer. */
const MIN_REPEAT_MS = 20;
/** A sender that has filled none of so many holes seems to answer nothing. */
const MAX_UNANSWERED = 12;
/** Where there is no hope one hole in so many is asked for all the same, once: things may have changed. */
const PROBE_EVERY = 8;
/** Packets given up that are remembered: one that comes all the same tells that the sender does answer. */
const MAX_GIVEN_UP = 64;

/** What answers depend on, in ms. */
export interface Path {
  /** Undefined while it is not known. */
  readonly roundTripMs: number | undefined;
  /** How long packets that are out of order usually take; 0 where they come in order. */
  readonly reorderMs: number;
}

/**
 * Decides when lost packets are asked for again (NACK), and how long a hole is worth keeping open for the answer. Pure.
 *
 *     missing       ask           ask again      and again  ...            given up
 *        |--reorder--|-round trip+--|-half of it--|--- ... ---|-round trip---|
 *        |<---------------------------- patience --------------------------->|
 *
 * Nothing is asked for whose answer would come too late. Where packets come out of order anyway the first request waits for as long
 * as they usually do. What stays away for a round trip was lost again, or the request was: bursts take several in a row, so from then on it
 * is asked for more often. That costs little: browsers' senders answer for a packet once per round trip.
 *
 * There is no hope of a sender that seems to answer nothing, nor over a path that is too long. What comes too late gives it back.
 */
export class RetransmissionRequests {
  readonly #requests = new Map<number, Request>();
  /** By sequence number: those given up that had been asked for. */
  readonly #givenUp = new Map<number, Request>();
  #hasAnswered = false;
  #unanswered = 0;
  #skipped = 0;
  #sent = 0;
  readonly #maxMs: number;

  /** `maxMs`: the longest that a hole may be kept open. */
  constructor(maxMs: number) {
    this.#maxMs = maxMs;
  }

  /** Packets asked for, each time counted. */
  get sent(): number {
    return this.#sent;
  }

  /** Is no request open? */
  get isEmpty(): boolean {
    return this.#requests.size === 0;
  }

  /** Until when a packet may well come, in ms: `targetMs` without the hope of a retransmission, the answer to a second request with it. */
  expectedMs(targetMs: number, path: Path): number {
    const answeredMs = path.reorderMs + 2 * answerMs(path);
    return this.#isHopeful(path) ? Math.max(targetMs, Math.min(this.#maxMs, answeredMs)) : targetMs;
  }

  /** How long a hole is kept open, in ms: as long as may be for a sender that is known to answer, else {@link expectedMs}. */
  patienceMs(targetMs: number, path: Path): number {
    return this.#hasAnswered && this.#isHopeful(path) ? Math.max(targetMs, this.#maxMs) : this.expectedMs(targetMs, path);
  }

  /** Of the packets that are missing (extended numbers), those to ask for now. Each is given up `patienceMs` after it was first missed. */
  take(missing: readonly number[], nowMs: number, patienceMs: number, path: Path): number[] {
    this.#forgetAllBut(missing);
    const isHopeful = this.#isHopeful(path);
    const isMoot = !isHopeful && missing.some((number) => !this.#requests.has(number)) && !this.#isProbe();
    const wanted: number[] = [];
    for (const number of missing) {
      const request = this.#requests.get(number) ?? { missedMs: nowMs, asks: 0, askedMs: 0, isDone: isMoot };
      this.#requests.set(number, request);
      if (request.isDone || nowMs < dueMs(request, path)) continue;
      const isTooLate = nowMs + answerMs(path) - MARGIN_MS > request.missedMs + patienceMs;
      request.isDone = isHopeful ? request.asks >= MAX_ASKS || isTooLate : request.asks > 0;
      if (request.isDone) continue;
      request.asks += 1;
      request.askedMs = nowMs;
      wanted.push(number);
    }
    this.#sent += wanted.length;
    return wanted;
  }

  /** When `take` is worth calling again; undefined while nothing is asked for. */
  nextDueMs(path: Path): number | undefined {
    let next: number | undefined;
    for (const request of this.#requests.values()) {
      if (!request.isDone) next = Math.min(next ?? Infinity, dueMs(request, path));
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
    this.#hear();
    return { isAnswer: true, ...(request.asks === 1 && { roundTripMs: afterMs }) };
  }

  /**
   * A packet came when it was not waited for any more. Answers the round trip that this measures, if it was asked for: of several requests it may
   * have answered any, so the time since the last is the least that the round trip can be, and only told where that is news.
   */
  arrivedLate(sequenceNumber: number, nowMs: number, roundTripMs: number | undefined): number | undefined {
    const request = this.#givenUp.get(sequenceNumber);
    if (!request) return undefined;
    this.#givenUp.delete(sequenceNumber);
    this.#hear();
    const afterMs = nowMs - request.askedMs;
    return request.asks === 1 || afterMs > (roundTripMs ?? 0) ? afterMs : undefined;
  }

  /** Another stream: its numbers are others. */
  restart(): void {
    this.#requests.clear();
    this.#givenUp.clear();
  }

  #hear(): void {
    this.#hasAnswered = true;
    this.#unanswered = 0;
  }

  /** What is missing no more without having come was given up, or stood in for by a copy. However many at once: they are one hole. */
  #forgetAllBut(missing: readonly number[]): void {
    let wasAsked = false;
    for (const [number, request] of this.#requests) {
      if (missing.includes(number)) continue;
      this.#requests.delete(number);
      if (request.asks === 0) continue;
      wasAsked = true;
      this.#givenUp.set(number & 0xffff, request);
    }
    if (wasAsked) this.#unanswered += 1;
    for (const oldest of this.#givenUp.keys()) {
      if (this.#givenUp.size <= MAX_GIVEN_UP) break;
      this.#givenUp.delete(oldest);
    }
  }

  #isHopeful(path: Path): boolean {
    return this.#unanswered < MAX_UNANSWERED && path.reorderMs + answerMs(path) <= this.#maxMs;
  }

  #isProbe(): boolean {
    this.#skipped += 1;
    return this.#skipped % PROBE_EVERY === 0;
  }
}

function answerMs({ roundTripMs }: Path): number {
  return (roundTripMs ?? GUESSED_ROUND_TRIP_MS) + MARGIN_MS;
}

function dueMs({ missedMs, askedMs, asks }: Request, path: Path): number {
  if (asks === 0) return missedMs + path.reorderMs;
  return askedMs + (asks === 1 ? answerMs(path) : Math.max(MIN_REPEAT_MS, answerMs(path) / 2));
}
