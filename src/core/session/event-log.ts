import type { Clock } from '../clock.ts';
import { EarshotError } from '../errors.ts';
import type { ObserveStage } from '../stages.ts';
import type { NumberedEvent, TranscriptEvent, Utterance } from '../transcript.ts';

/** Readers that are woken in one turn of the event loop: audio has its turn between them, however many read. */
const WOKEN_AT_ONCE = 100;

/** What was said and what is being said, in order of its start. `isWhole`: not where the first events are gone. */
export interface HeardSoFar {
  readonly utterances: readonly Utterance[];
  readonly isWhole: boolean;
}

export interface EventLogOptions {
  /** Events kept for late readers. Default 10000. */
  readonly maxEvents?: number;
  /** Told how long each event took to a reader that waited for it. */
  readonly timing?: { readonly clock: Clock; readonly observe: ObserveStage };
}

/**
 * Numbers a session's events and serves any number of readers, each from wherever it likes:
 * a reconnect, a second viewer and a slow socket are one case. An interim leaves the log when a newer one or
 * the final of its utterance arrives, so a slow reader meets only the latest; every other event is kept until
 * the log is full, and then the oldest go. Who asks for events that are gone gets `RESUME_GAP`.
 */
export class EventLog {
  readonly #maxEvents: number;
  readonly #timing: EventLogOptions['timing'];
  /** When each event was appended, where that is told. */
  readonly #appendedMs = new WeakMap<NumberedEvent, number>();
  readonly #events: NumberedEvent[] = [];
  #lastSeq = 0;
  /** Highest number of an event that fell off the tail; superseded interims do not count. */
  #droppedThroughSeq = 0;
  #ended = false;
  readonly #keepers: ((utterance: Utterance) => Promise<void>)[] = [];
  /** Numbers of the finals that are being kept, oldest first: until that is done neither they nor what follows them are told. */
  readonly #held = new Set<number>();
  /** Wakes the readers that have seen everything. */
  readonly #waiting = new Set<() => void>();

  constructor(options: EventLogOptions = {}) {
    this.#maxEvents = options.maxEvents ?? 10_000;
    this.#timing = options.timing;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** `session.closed` is in. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What has been heard until now. */
  soFar(): HeardSoFar {
    const told = this.#events.slice(0, this.#indexAfter(this.#toldThroughSeq));
    const utterances = told.flatMap((event) => (event.type === 'utterance.final' || event.type === 'utterance.interim' ? event.utterance : []));
    return {
      utterances: utterances.filter(({ words }) => words.length > 0).toSorted((a, b) => a.startSample - b.startSample || a.laneIndex - b.laneIndex),
      isWhole: this.#droppedThroughSeq === 0,
    };
  }

  /** Finals with words are told to nobody before `keep`, and whoever else keeps them, has settled, from now on. */
  keepFinals(keep: (utterance: Utterance) => Promise<void>): void {
    this.#keepers.push(keep);
  }

  /** Appends an event and wakes the readers. `session.closed` ends the log; what comes after it is ignored. */
  append(event: TranscriptEvent): void {
    if (this.#ended) return;
    if (event.type === 'utterance.interim' || event.type === 'utterance.final') this.#supersede(event.utterance.id);
    this.#lastSeq += 1;
    const numbered: NumberedEvent = { ...event, seq: this.#lastSeq };
    this.#events.push(numbered);
    if (this.#timing) this.#appendedMs.set(numbered, this.#timing.clock.nowMs());
    if (this.#events.length > this.#maxEvents) {
      const dropped = this.#events.shift();
      if (dropped) this.#droppedThroughSeq = dropped.seq;
    }
    this.#ended = event.type === 'session.closed';
    if (event.type === 'utterance.final' && event.utterance.words.length > 0) this.#hold(this.#lastSeq, this.#keepers.map((keep) => keep(event.utterance)));
    this.#wakeReaders();
  }

  get #toldThroughSeq(): number {
    const [oldest] = this.#held;
    return oldest === undefined ? this.#lastSeq : oldest - 1;
  }

  #hold(seq: number, kept: readonly Promise<void>[]): void {
    if (kept.length === 0) return;
    const release = (): void => {
      this.#held.delete(seq);
      this.#wakeReaders();
    };
    this.#held.add(seq);
    void Promise.allSettled(kept).then(release);
  }

  /** Those that have waited longest first. */
  #wakeReaders(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    wakeSome(waiting, 0);
  }

  /**
   * Events with `seq > afterSeq` in order, live until `session.closed` or until `signal` aborts.
   * Throws `RESUME_GAP` where events that the reader has not seen are gone, and `VALIDATION_ERROR` for a number not yet reached:
   * at once, and the former also while it reads, if it falls that far behind.
   */
  read(afterSeq: number, signal?: AbortSignal): AsyncGenerator<NumberedEvent, void, void> {
    if (afterSeq > this.#lastSeq) {
      throw new EarshotError('VALIDATION_ERROR', `Event ${String(afterSeq)} does not exist yet.`, {
        details: [{ field: 'after_seq', message: `at most ${String(this.#lastSeq)}` }],
      });
    }
    this.#checkKept(afterSeq);
    return this.#follow(afterSeq, signal);
  }

  async *#follow(afterSeq: number, signal: AbortSignal | undefined): AsyncGenerator<NumberedEvent, void, void> {
    let wake: () => void = () => undefined;
    const onAbort = (): void => {
      wake();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      let seenSeq = afterSeq;
      const bornAfterSeq = this.#lastSeq;
      while (signal?.aborted !== true) {
        this.#checkKept(seenSeq);
        const event = this.#events[this.#indexAfter(seenSeq)];
        if (event && event.seq <= this.#toldThroughSeq) {
          seenSeq = event.seq;
          yield event;
          if (event.seq > bornAfterSeq) this.#observeDelivery(event);
          if (event.type === 'session.closed') return;
        } else if (!event && this.#ended) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
            this.#waiting.add(wake);
          });
        }
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#waiting.delete(wake);
    }
  }

  #checkKept(seenSeq: number): void {
    if (seenSeq >= this.#droppedThroughSeq) return;
    throw new EarshotError('RESUME_GAP', `Events up to ${String(this.#droppedThroughSeq)} are no longer kept.`);
  }

  #observeDelivery(event: NumberedEvent): void {
    const appendedMs = this.#appendedMs.get(event);
    if (this.#timing && appendedMs !== undefined) this.#timing.observe('delivery', this.#timing.clock.nowMs() - appendedMs);
  }

  #supersede(utteranceId: string): void {
    for (let index = this.#events.length - 1; index >= 0; index -= 1) {
      const event = this.#events[index];
      if (event?.type === 'utterance.interim' && event.utterance.id === utteranceId) {
        this.#events.splice(index, 1);
        return;
      }
      // An utterance's interims lie among the last few events: one open utterance per lane.
      if (this.#events.length - index > 64) return;
    }
  }

  #indexAfter(seq: number): number {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle]!).seq > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function wakeSome(waiting: readonly (() => void)[], from: number): void {
  const to = from + WOKEN_AT_ONCE;
  for (const wake of waiting.slice(from, to)) wake();
  if (to < waiting.length) setImmediate(wakeSome, waiting, to);
}
