/** Writes what a receiver of media says in RTCP. Pure. */

/** One block of a receiver report (RFC 3550, section 6.4.1). */
export interface ReportBlock {
  readonly ssrc: number;
  /** Of the packets expected since the last report, 0 to 1. */
  readonly fractionLost: number;
  /** Since the stream began; negative when duplicates came. */
  readonly cumulativeLost: number;
  readonly highestSequenceNumber: number;
  /** In units of the RTP clock. */
  readonly jitterTicks: number;
  /** Middle 32 bits of the last sender report's wall clock, and the time since it came in 1/65536 s; 0 before the first. */
  readonly lastReport: number;
  readonly delaySinceLastReport: number;
}

/** Who speaks in our reports: a receiver has no stream of its own, and browsers use the same number. */
export const RECEIVER_SSRC = 1;

const RECEIVER_REPORT = 201;
const TRANSPORT_FEEDBACK = 205;
const GENERIC_NACK = 1;
const EXTENDED_REPORT = 207;
const RECEIVER_REFERENCE_TIME_BLOCK = 4;
/** Sequence numbers that one entry of a NACK reaches beyond its first. */
const NACK_REACH = 16;

/** A moment of `nowMs` in 1/65536 s, 32 bits: the middle of an NTP time whose calendar does not matter. */
export const toNtpMiddle = (nowMs: number): number => Math.floor((nowMs * 65_536) / 1000) % 2 ** 32;

/** A receiver report and our own reference time (RFC 3611, section 4.4), whose echo tells the round trip. */
export function writeReceiverReport(block: ReportBlock, nowMs: number): Uint8Array {
  const bytes = new Uint8Array(52);
  const view = new DataView(bytes.buffer);
  writeHeader(view, 0, 1, RECEIVER_REPORT, 32);
  view.setUint32(8, block.ssrc);
  view.setUint8(12, Math.min(255, Math.floor(block.fractionLost * 256)));
  const lost = Math.max(-0x80_0000, Math.min(0x7f_ffff, block.cumulativeLost)) & 0xff_ffff;
  view.setUint8(13, lost >> 16);
  view.setUint16(14, lost & 0xffff);
  view.setUint32(16, block.highestSequenceNumber);
  view.setUint32(20, block.jitterTicks);
  view.setUint32(24, block.lastReport);
  view.setUint32(28, block.delaySinceLastReport);
  writeHeader(view, 32, 0, EXTENDED_REPORT, 20);
  view.setUint8(40, RECEIVER_REFERENCE_TIME_BLOCK);
  view.setUint16(42, 2);
  view.setUint32(44, Math.floor(nowMs / 1000));
  view.setUint32(48, Math.floor(((nowMs % 1000) / 1000) * 2 ** 32));
  return bytes;
}

/** Asks for packets again (RFC 4585, section 6.2.1). `sequenceNumbers`: 16 bits, oldest first, at least one. */
export function writeNack(ssrc: number, sequenceNumbers: readonly number[]): Uint8Array {
  const entries: { first: number; mask: number }[] = [];
  for (const number of sequenceNumbers) {
    const entry = entries.at(-1);
    const distance = entry === undefined ? 0 : (number - entry.first) & 0xffff;
    if (entry && distance === 0) continue;
    if (entry && distance <= NACK_REACH) entry.mask |= 1 << (distance - 1);
    else entries.push({ first: number, mask: 0 });
  }
  const bytes = new Uint8Array(12 + entries.length * 4);
  const view = new DataView(bytes.buffer);
  writeHeader(view, 0, GENERIC_NACK, TRANSPORT_FEEDBACK, bytes.length);
  view.setUint32(8, ssrc);
  for (const [i, { first, mask }] of entries.entries()) {
    view.setUint16(12 + i * 4, first);
    view.setUint16(14 + i * 4, mask);
  }
  return bytes;
}

function writeHeader(view: DataView, at: number, count: number, type: number, lengthBytes: number): void {
  view.setUint8(at, 0x80 | count);
  view.setUint8(at + 1, type);
  view.setUint16(at + 2, lengthBytes / 4 - 1);
  view.setUint32(at + 4, RECEIVER_SSRC);
}
