import { sequenceDifference } from './packet.ts';
import type { RtpPacket } from './packet.ts';

export interface JitterBufferOptions {
  /** Longest wait for a missing packet, in ms. Default 60. */
  readonly targetMs?: number;
  /** Packets held behind a hole; one more gives the hole up at once. Default 128. */
  readonly maxPackets?: number;
}

/** What leaves the buffer, in sequence order. */
export type JitterBufferItem =
  | {
      readonly kind: 'packet';
      readonly packet: RtpPacket;
      readonly arrivalMs: number;
      /** Not the packet itself: a copy that a later one carried. */
      readonly isCopy: boolean;
      /** The stream began anew with this packet (another SSRC, or a sequence number out of all proportion). */
      readonly restart: boolean;
    }
  /** `count` consecutive packets did not come in time. */
  | { readonly kind: 'lost'; readonly count: number };

export interface JitterBufferStats {
  /** Every packet but duplicates, those too late included. */
  readonly received: number;
  /** Did not come in time, those that a copy stood in for included; one that comes later stays counted here. */
  readonly lost: number;
  /** Came after they had been declared lost, or before the first one in sequence. */
  readonly late: number;
  readonly duplicates: number;
  /** Of the lost, those that a copy stood in for. */
  readonly copied: number;
}

/** Sequence numbers further ahead than this, or further behind than that, are another stream (RFC 3550, appendix A.1). */
const MAX_DROPOUT = 3000;
const MAX_MISORDER = 300;
/** Lost sequence numbers remembered, to tell a late packet from a duplicate. */
const MAX_LOST_REMEMBERED = 512;

/** Missing numbers that are told; of a longer hole the last. */
const MAX_MISSING_TOLD = 64;

/** A packet as it will go out; whether the stream begins anew with it is known then. */
interface Held {
  readonly kind: 'packet';
  readonly packet: RtpPacket;
  readonly arrivalMs: number;
  readonly isCopy: boolean;
  restart: boolean;
}

const NOTHING: readonly JitterBufferItem[] = [];

/**
 * Puts the packets of one track in order. Pure: time comes in as `nowMs`, nothing waits or fires.
 *
 * A packet that is next in sequence passes at once, so nothing is delayed while nothing is missing. When one is
 * missing, those behind it wait for it, at most `targetMs` from the arrival of the first of them; then it is lost:
 *
 *     push 1  push 2  push 4           push 5           (targetMs after 4 came)
 *     pop: 1  pop: 2  pop: -, due set  pop: -           pop: lost 1, 4, 5
 *
 * Another SSRC or a wild sequence number is believed when a second packet follows it in order, as in RFC 3550,
 * appendix A.1; then both are delivered, the first marked `restart`, and what was held before them goes out first.
 */
export class JitterBuffer {
  /** Longest wait for a missing packet, in ms. May be changed at any time. */
  targetMs: number;
  readonly #maxPackets: number;
  readonly #held = new Map<number, Held>();
  readonly #lostNumbers = new Set<number>();
  #ready: readonly JitterBufferItem[] = NOTHING;
  #ssrc = 0;
  #streams = 0;
  /** Extended (unwrapped) sequence number that goes out next; undefined before the first packet. */
  #next: number | undefined;
  #restarted = false;
  #candidate: Held | undefined;
  #firstNumber = 0;
  #received = 0;
  #lost = 0;
  #late = 0;
  #duplicates = 0;
  #copied = 0;

  constructor(options: JitterBufferOptions = {}) {
    this.targetMs = options.targetMs ?? 60;
    this.#maxPackets = options.maxPackets ?? 128;
  }

  /** The stream that is believed; undefined before the first packet. */
  get ssrc(): number | undefined {
    return this.#next === undefined ? undefined : this.#ssrc;
  }

  /** How many streams came one after the other; extended numbers are of the last. */
  get streams(): number {
    return this.#streams;
  }

  /**
   * Takes a packet in any order. What it lets out comes with the next `pop`.
   * Answers its extended sequence number if it came in time, for the first time.
   */
  push(packet: RtpPacket, nowMs: number): number | undefined {
    const held: Held = { kind: 'packet', packet, arrivalMs: nowMs, isCopy: false, restart: false };
    if (this.#next === undefined) return this.#start(held, false);
    const ahead = sequenceDifference(packet.sequenceNumber, this.#next & 0xffff);
    if (packet.ssrc !== this.#ssrc || ahead > MAX_DROPOUT || ahead < -MAX_MISORDER) {
      this.#considerRestart(held);
      return undefined;
    }
    return this.#accept(this.#next + ahead, held);
  }

  /** Takes what another packet of the stream carries of this one. It goes out in its place if the packet itself does not come before. */
  pushCopy(packet: RtpPacket, nowMs: number): void {
    if (this.#next === undefined || packet.ssrc !== this.#ssrc || this.#held.size === 0) return;
    const ahead = sequenceDifference(packet.sequenceNumber, this.#next & 0xffff);
    const extended = this.#next + ahead;
    if (ahead < 0 || ahead > MAX_DROPOUT || this.#held.has(extended)) return;
    this.#held.set(extended, { kind: 'packet', packet, arrivalMs: nowMs, isCopy: true, restart: false });
  }

  /** Is nothing missing? */
  get isWhole(): boolean {
    return this.#held.size === 0;
  }

  /** Extended numbers of the packets that are waited for, oldest first, at most 64; empty while nothing is missing. */
  missing(): number[] {
    const numbers: number[] = [];
    if (this.#held.size === 0) return numbers;
    const highest = Math.max(...this.#held.keys());
    for (let number = highest - 1; number >= (this.#next ?? highest) && numbers.length < MAX_MISSING_TOLD; number -= 1) {
      if (!this.#held.has(number)) numbers.push(number);
    }
    return numbers.reverse();
  }

  /** Everything that may go out now, in sequence order. */
  pop(nowMs: number): readonly JitterBufferItem[] {
    while (this.#held.size > 0) {
      if (this.#takeNext()) continue;
      if (this.#held.size <= this.#maxPackets && nowMs < this.#holeDueMs()) break;
      this.#giveUpHole();
    }
    return this.#takeReady();
  }

  /** Everything that is held, with its holes declared lost: for the end of the stream. */
  flush(): readonly JitterBufferItem[] {
    this.#drainHeld();
    return this.#takeReady();
  }

  /** When `pop` is worth calling again though nothing was pushed; undefined while nothing is missing. */
  nextDueMs(): number | undefined {
    return this.#held.size === 0 ? undefined : this.#holeDueMs();
  }

  /** How long the packet held longest has waited, in ms; 0 while nothing is missing. */
  heldMs(nowMs: number): number {
    return this.#held.size === 0 ? 0 : Math.max(0, nowMs - (this.#holeDueMs() - this.targetMs));
  }

  stats(): JitterBufferStats {
    return {
      received: this.#received,
      lost: this.#lost,
      late: this.#late,
      duplicates: this.#duplicates,
      copied: this.#copied,
    };
  }

  #start(first: Held, restart: boolean): number | undefined {
    // One full turn above zero: extended numbers then stay positive for packets reordered around the start.
    this.#next = first.packet.sequenceNumber + 0x10000;
    this.#firstNumber = this.#next;
    this.#ssrc = first.packet.ssrc;
    this.#streams += 1;
    this.#restarted = restart;
    this.#lostNumbers.clear();
    return this.#accept(this.#next, first);
  }

  #considerRestart(held: Held): void {
    const first = this.#candidate;
    const follows =
      first?.packet.ssrc === held.packet.ssrc &&
      sequenceDifference(held.packet.sequenceNumber, first.packet.sequenceNumber) === 1;
    if (!first || !follows) {
      this.#candidate = held;
      return;
    }
    this.#candidate = undefined;
    this.#drainHeld();
    this.#start(first, true);
    this.#accept((this.#next ?? 0) + sequenceDifference(held.packet.sequenceNumber, (this.#next ?? 0) & 0xffff), held);
  }

  #accept(extended: number, held: Held): number | undefined {
    const next = this.#next ?? extended;
    if (extended < next) {
      if (extended < this.#firstNumber || this.#lostNumbers.delete(extended)) {
        this.#received += 1;
        this.#late += 1;
      } else {
        this.#duplicates += 1;
      }
      return undefined;
    }
    if (this.#held.get(extended)?.isCopy === false) {
      this.#duplicates += 1;
      return undefined;
    }
    this.#candidate = undefined;
    this.#received += 1;
    // Most packets are the next one, and pass by.
    if (extended === next && this.#held.size === 0) this.#letOut(next, held);
    else {
      this.#held.set(extended, held);
      while (this.#takeNext());
    }
    return extended;
  }

  #takeNext(): boolean {
    const next = this.#next ?? 0;
    const held = this.#held.get(next);
    if (!held) return false;
    this.#held.delete(next);
    this.#letOut(next, held);
    return true;
  }

  /** The packet with the number that is next goes out. */
  #letOut(next: number, held: Held): void {
    this.#next = next + 1;
    held.restart = this.#restarted;
    this.#add(held);
    if (held.isCopy) {
      this.#lost += 1;
      this.#copied += 1;
      this.#rememberLost(next);
    }
    this.#restarted = false;
  }

  /** The first hole is known since the first packet behind it came. */
  #holeDueMs(): number {
    let firstArrivalMs = Infinity;
    for (const held of this.#held.values()) firstArrivalMs = Math.min(firstArrivalMs, held.arrivalMs);
    return firstArrivalMs + this.targetMs;
  }

  #giveUpHole(): void {
    const from = this.#next ?? 0;
    const to = Math.min(...this.#held.keys());
    this.#lost += to - from;
    this.#add({ kind: 'lost', count: to - from });
    for (let number = Math.max(from, to - MAX_LOST_REMEMBERED); number < to; number += 1) this.#rememberLost(number);
    this.#next = to;
  }

  #rememberLost(extended: number): void {
    this.#lostNumbers.add(extended);
    if (this.#lostNumbers.size <= MAX_LOST_REMEMBERED) return;
    for (const oldest of this.#lostNumbers) {
      this.#lostNumbers.delete(oldest);
      break;
    }
  }

  #drainHeld(): void {
    while (this.#held.size > 0) {
      if (!this.#takeNext()) this.#giveUpHole();
    }
  }

  /** Mostly there is nothing before it, and nothing comes behind it. */
  #add(item: JitterBufferItem): void {
    this.#ready = this.#ready.length === 0 ? [item] : [...this.#ready, item];
  }

  #takeReady(): readonly JitterBufferItem[] {
    const ready = this.#ready;
    this.#ready = NOTHING;
    return ready;
  }
}
