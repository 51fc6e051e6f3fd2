import { OPUS_CLOCK_HZ, sequenceDifference, timestampDifference } from './packet.ts';
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
      /** The stream began anew with this packet (another SSRC, or a sequence number out of all proportion). */
      readonly restart: boolean;
    }
  /** `count` consecutive packets did not come in time. */
  | { readonly kind: 'lost'; readonly count: number };

export interface JitterBufferStats {
  /** Every packet but duplicates, those too late included. */
  readonly received: number;
  /** Declared lost; one that comes later stays counted here. */
  readonly lost: number;
  /** Came after they had been declared lost, or before the first one in sequence. */
  readonly late: number;
  readonly duplicates: number;
  /** Interarrival jitter in ms (RFC 3550, section 6.4.1 and appendix A.8). */
  readonly jitterMs: number;
}

/** Sequence numbers further ahead than this, or further behind than that, are another stream (RFC 3550, appendix A.1). */
const MAX_DROPOUT = 3000;
const MAX_MISORDER = 300;
/** A greater difference between two packets is a sender whose clock jumped, not the network. */
const MAX_JITTER_MS = 5000;
/** Lost sequence numbers remembered, to tell a late packet from a duplicate. */
const MAX_LOST_REMEMBERED = 512;

interface Held {
  readonly packet: RtpPacket;
  readonly arrivalMs: number;
}

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
  #ready: JitterBufferItem[] = [];
  #ssrc = 0;
  /** Extended (unwrapped) sequence number that goes out next; undefined before the first packet. */
  #next: number | undefined;
  #restarted = false;
  #candidate: Held | undefined;
  #firstNumber = 0;
  #lastArrivalMs: number | undefined;
  #lastTimestamp = 0;
  #jitterMs = 0;
  #received = 0;
  #lost = 0;
  #late = 0;
  #duplicates = 0;

  constructor(options: JitterBufferOptions = {}) {
    this.targetMs = options.targetMs ?? 60;
    this.#maxPackets = options.maxPackets ?? 128;
  }

  /** Takes a packet in any order. What it lets out comes with the next `pop`. */
  push(packet: RtpPacket, nowMs: number): void {
    if (this.#next === undefined) {
      this.#start({ packet, arrivalMs: nowMs }, false);
      return;
    }
    const ahead = sequenceDifference(packet.sequenceNumber, this.#next & 0xffff);
    if (packet.ssrc !== this.#ssrc || ahead > MAX_DROPOUT || ahead < -MAX_MISORDER) {
      this.#considerRestart({ packet, arrivalMs: nowMs });
      return;
    }
    this.#accept(this.#next + ahead, { packet, arrivalMs: nowMs });
  }

  /** Everything that may go out now, in sequence order. */
  pop(nowMs: number): JitterBufferItem[] {
    while (this.#held.size > 0) {
      if (this.#takeNext()) continue;
      if (this.#held.size <= this.#maxPackets && nowMs < this.#holeDueMs()) break;
      this.#giveUpHole();
    }
    return this.#takeReady();
  }

  /** Everything that is held, with its holes declared lost: for the end of the stream. */
  flush(): JitterBufferItem[] {
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
      jitterMs: this.#jitterMs,
    };
  }

  #start(first: Held, restart: boolean): void {
    // One full turn above zero: extended numbers then stay positive for packets reordered around the start.
    this.#next = first.packet.sequenceNumber + 0x10000;
    this.#firstNumber = this.#next;
    this.#ssrc = first.packet.ssrc;
    this.#restarted = restart;
    this.#lastArrivalMs = undefined;
    this.#lostNumbers.clear();
    this.#accept(this.#next, first);
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

  #accept(extended: number, held: Held): void {
    const next = this.#next ?? extended;
    if (extended < next) {
      if (extended < this.#firstNumber || this.#lostNumbers.delete(extended)) {
        this.#received += 1;
        this.#late += 1;
      } else {
        this.#duplicates += 1;
      }
      return;
    }
    if (this.#held.has(extended)) {
      this.#duplicates += 1;
      return;
    }
    this.#candidate = undefined;
    this.#received += 1;
    this.#measureJitter(held);
    this.#held.set(extended, held);
    while (this.#takeNext());
  }

  #takeNext(): boolean {
    const next = this.#next ?? 0;
    const held = this.#held.get(next);
    if (!held) return false;
    this.#held.delete(next);
    this.#next = next + 1;
    this.#ready.push({ kind: 'packet', packet: held.packet, arrivalMs: held.arrivalMs, restart: this.#restarted });
    this.#restarted = false;
    return true;
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
    this.#ready.push({ kind: 'lost', count: to - from });
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

  #takeReady(): JitterBufferItem[] {
    const ready = this.#ready;
    if (ready.length > 0) this.#ready = [];
    return ready;
  }

  #measureJitter({ packet, arrivalMs }: Held): void {
    if (this.#lastArrivalMs !== undefined) {
      const mediaMs = timestampDifference(packet.timestamp, this.#lastTimestamp) / (OPUS_CLOCK_HZ / 1000);
      const differenceMs = Math.abs(arrivalMs - this.#lastArrivalMs - mediaMs);
      if (differenceMs < MAX_JITTER_MS) this.#jitterMs += (differenceMs - this.#jitterMs) / 16;
    }
    this.#lastArrivalMs = arrivalMs;
    this.#lastTimestamp = packet.timestamp;
  }
}
