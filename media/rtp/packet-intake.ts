import { unpack } from './formats.ts';
import type { RtpFormats } from './formats.ts';
import { JitterBuffer } from './jitter-buffer.ts';
import type { JitterBufferItem } from './jitter-buffer.ts';
import type { RtpPacket } from './packet.ts';
import { Reception } from './reception.ts';
import { RetransmissionRequests } from './retransmission.ts';
import { readRtcp } from './rtcp-reader.ts';
import type { SenderReport } from './rtcp-reader.ts';
import { RECEIVER_SSRC, writeNack } from './rtcp-writer.ts';
import { TargetDelay } from './target-delay.ts';
import type { TargetDelayOptions } from './target-delay.ts';

export interface PacketIntakeOptions {
  /** Default: every packet is Opus, and nothing is asked for again. */
  readonly formats?: RtpFormats;
  readonly target?: TargetDelayOptions;
  /** Sends one RTCP packet, not yet encrypted, to the sender. Default: the engine reports by itself, and asks about when this would. */
  readonly sendRtcp?: (packet: Uint8Array) => void;
}

export interface PacketIntakeStats {
  readonly received: number;
  readonly lost: number;
  readonly late: number;
  readonly duplicates: number;
  readonly recoveredByRed: number;
  readonly recoveredByRetransmission: number;
  /** Came out of order, and were waited for. */
  readonly reordered: number;
  readonly retransmissionsAsked: number;
  readonly jitterMs: number;
  readonly targetDelayMs: number;
  readonly roundTripMs: number | undefined;
}

/** Share of packets out of order (smoothed) above which a missing packet is first waited for, then asked for. */
const REORDERING = 0.02;
const REORDERING_WEIGHT = 1 / 64;

/**
 * The network's side of one track: packets as they come, packets in order out, and what the sender is told.
 *
 *     push -> unpack (RED, RTX) -> JitterBuffer (order) -> pop
 *                |                    | missing
 *             Reception             RetransmissionRequests, as long as TargetDelay and the round trip allow
 *                | receiver reports   | NACK
 *                +--------------------+------> sendRtcp
 *
 * Pure but for `sendRtcp`: times come in, and `nextDueMs` says when to come back.
 */
export class PacketIntake {
  readonly #buffer: JitterBuffer;
  readonly #target: TargetDelay;
  readonly #reception = new Reception();
  readonly #requests: RetransmissionRequests;
  readonly #sendRtcp: ((packet: Uint8Array) => void) | undefined;
  #formats: RtpFormats | undefined;
  #highest = 0;
  /** Share of packets that come out of order. */
  #reordering = 0;
  #reordered = 0;
  #retransmitted = 0;
  #requestDueMs: number | undefined;
  #expectedMs: number;

  constructor(options: PacketIntakeOptions) {
    this.#formats = options.formats;
    this.#sendRtcp = options.sendRtcp;
    this.#target = new TargetDelay(options.target);
    this.#requests = new RetransmissionRequests(this.#target.maxMs);
    this.#expectedMs = this.#target.targetMs;
    this.#buffer = new JitterBuffer({ targetMs: this.#expectedMs });
  }

  /** Until when the next packet may well come, beyond its time, in ms. A hole may be kept open for longer. */
  get expectedMs(): number {
    return this.#expectedMs;
  }

  /** What the packets hold, after a negotiation. */
  setFormats(formats: RtpFormats): void {
    this.#formats = formats;
  }

  setRoundTrip(roundTripMs: number): void {
    this.#reception.setRoundTrip(roundTripMs);
  }

  get roundTripMs(): number | undefined {
    return this.#reception.roundTripMs;
  }

  push(packet: RtpPacket, arrivalMs: number): void {
    const unpacked = unpack(packet, this.#formats, this.#buffer.ssrc);
    if (!unpacked) return;
    const { streams } = this.#buffer;
    const number = this.#buffer.push(unpacked.packet, arrivalMs);
    if (this.#buffer.streams !== streams) this.#restart();
    for (const copy of unpacked.copies) this.#buffer.pushCopy(copy, arrivalMs);
    if (packet.ssrc === this.#buffer.ssrc) this.#measure(unpacked.packet, number, arrivalMs);
    else if (unpacked.isRetransmission && number !== undefined) this.#retransmitted += this.#answered(number, arrivalMs, true);
    if (number === undefined && unpacked.packet.ssrc === this.#buffer.ssrc) this.#answeredLate(unpacked.packet.sequenceNumber, arrivalMs);
  }

  /** Decrypted RTCP from the sender; what is about other streams is passed over. */
  receiveRtcp(compound: Uint8Array, arrivalMs: number, onSenderReport: (report: SenderReport) => void): void {
    for (const item of readRtcp(compound)) {
      if (item.kind === 'reference-time-echo') {
        if (item.receiverSsrc === RECEIVER_SSRC) this.#reception.onEcho(item, arrivalMs);
      } else if (item.ssrc === this.#buffer.ssrc) {
        this.#reception.onSenderReport(item, arrivalMs);
        onSenderReport(item);
      }
    }
  }

  /** Everything that may go out now, in sequence order. */
  pop(nowMs: number): readonly JitterBufferItem[] {
    this.#ask(nowMs);
    return this.#buffer.pop(nowMs);
  }

  flush(): readonly JitterBufferItem[] {
    return this.#buffer.flush();
  }

  /** When `pop` is worth calling again though nothing was pushed; undefined while nothing is missing. */
  nextDueMs(): number | undefined {
    const holeDueMs = this.#buffer.nextDueMs();
    if (holeDueMs === undefined || this.#requestDueMs === undefined) return holeDueMs;
    return Math.min(holeDueMs, this.#requestDueMs);
  }

  /** How long the packet held longest has waited, in ms; 0 while nothing is missing. */
  heldMs(nowMs: number): number {
    return this.#buffer.heldMs(nowMs);
  }

  stats(): PacketIntakeStats {
    const { received, lost, late, duplicates, copied } = this.#buffer.stats();
    return {
      received,
      lost,
      late,
      duplicates,
      recoveredByRed: copied,
      // An engine that asks by itself counts by itself, too.
      recoveredByRetransmission: this.#sendRtcp ? this.#retransmitted : 0,
      reordered: this.#reordered,
      retransmissionsAsked: this.#sendRtcp ? this.#requests.sent : 0,
      jitterMs: this.#reception.jitterMs,
      targetDelayMs: this.#buffer.targetMs,
      roundTripMs: this.#reception.roundTripMs,
    };
  }

  #restart(): void {
    this.#target.restart();
    this.#requests.restart();
    this.#highest = 0;
  }

  #measure(packet: RtpPacket, number: number | undefined, arrivalMs: number): void {
    this.#reception.count(packet, arrivalMs);
    const isBehind = number !== undefined && number < this.#highest;
    const isAnswer = isBehind && this.#answered(number, arrivalMs, false) === 1;
    if (isAnswer) this.#retransmitted += 1;
    else {
      if (isBehind) this.#reordered += 1;
      this.#reordering += ((isBehind ? 1 : 0) - this.#reordering) * REORDERING_WEIGHT;
      // What comes late or twice where it may have been asked for says nothing of the network's own delay.
      if (number !== undefined || !this.#mayAsk()) this.#target.observe(packet, arrivalMs);
    }
    if (number !== undefined) this.#highest = Math.max(this.#highest, number);
    if (!this.#sendRtcp) return;
    const report = this.#reception.takeReport(arrivalMs);
    if (report) this.#sendRtcp(report);
  }

  /** We, or the engine. */
  #mayAsk(): boolean {
    return this.#formats?.nack === true;
  }

  /** 1 if the packet was sent again because it was asked for. */
  #answered(number: number, arrivalMs: number, isKnown: boolean): 0 | 1 {
    const { isAnswer, roundTripMs } = this.#requests.arrived(number, arrivalMs, this.#reception.roundTripMs);
    // When the engine asked is only guessed.
    if (roundTripMs !== undefined && this.#sendRtcp) this.#reception.setRoundTrip(roundTripMs);
    return isAnswer || isKnown ? 1 : 0;
  }

  #answeredLate(sequenceNumber: number, arrivalMs: number): void {
    const roundTripMs = this.#requests.arrivedLate(sequenceNumber, arrivalMs, this.#reception.roundTripMs);
    if (roundTripMs !== undefined && this.#sendRtcp) this.#reception.setRoundTrip(roundTripMs);
  }

  /** Asks for what is missing where that is allowed, or follows the engine that does, and sets how long it is waited for. */
  #ask(nowMs: number): void {
    const targetMs = this.#target.targetMs;
    const { ssrc } = this.#buffer;
    this.#requestDueMs = undefined;
    if (!this.#mayAsk() || ssrc === undefined) {
      this.#expectedMs = this.#buffer.targetMs = targetMs;
      return;
    }
    const path = { roundTripMs: this.#reception.roundTripMs, reorderMs: this.#reordering > REORDERING ? targetMs : 0 };
    this.#expectedMs = this.#requests.expectedMs(targetMs, path);
    this.#buffer.targetMs = this.#requests.patienceMs(targetMs, path);
    if (this.#buffer.isWhole && this.#requests.isEmpty) return;
    const wanted = this.#requests.take(this.#buffer.missing(), nowMs, this.#buffer.targetMs, path);
    if (wanted.length > 0) this.#sendRtcp?.(writeNack(ssrc, wanted.map((number) => number & 0xffff)));
    this.#requestDueMs = this.#requests.nextDueMs(path);
  }
}
