/**
 * Reads what a sender of media says in RTCP (RFC 3550, section 6; RFC 3611). Pure. What is malformed or of no use here is skipped:
 * the bytes come from a stranger.
 */

/** What the sender's clocks showed at one moment (RFC 3550, section 6.4.1). */
export interface SenderReport {
  readonly kind: 'sender-report';
  readonly ssrc: number;
  /** Wall clock of the sender, in ms since 1900; exact to 1 µs. */
  readonly ntpMs: number;
  /** Middle 32 bits of the wall clock: what a receiver report echoes. */
  readonly ntpMiddle: number;
  /** RTP time of the same moment. */
  readonly timestamp: number;
}

/** The answer to a receiver's reference time (RFC 3611, section 4.5). */
export interface ReferenceTimeEcho {
  readonly kind: 'reference-time-echo';
  /** The receiver it is for. */
  readonly receiverSsrc: number;
  /** Middle 32 bits of the reference time that it answers. */
  readonly ntpMiddle: number;
  /** From its arrival to this answer, in 1/65536 s. */
  readonly delay: number;
}

export type RtcpItem = SenderReport | ReferenceTimeEcho;

const SENDER_REPORT = 200;
const EXTENDED_REPORT = 207;
const DLRR_BLOCK = 5;
const HEADER_BYTES = 4;
/** More in one compound packet is not looked at. */
const MAX_ITEMS = 64;

/** The items of a compound packet, in order; decrypted. */
export function readRtcp(compound: Uint8Array): RtcpItem[] {
  const view = new DataView(compound.buffer, compound.byteOffset, compound.byteLength);
  const items: RtcpItem[] = [];
  for (let at = 0; at + HEADER_BYTES <= view.byteLength && items.length < MAX_ITEMS; ) {
    const first = view.getUint8(at);
    const end = at + HEADER_BYTES + view.getUint16(at + 2) * 4;
    if (first >> 6 !== 2 || end > view.byteLength) break;
    const body = new DataView(compound.buffer, compound.byteOffset + at + HEADER_BYTES, end - at - HEADER_BYTES);
    items.push(...readPacket(view.getUint8(at + 1), body));
    at = end;
  }
  return items.slice(0, MAX_ITEMS);
}

function readPacket(type: number, body: DataView): RtcpItem[] {
  switch (type) {
    case SENDER_REPORT:
      return body.byteLength < 24 ? [] : [readSenderReport(body)];
    case EXTENDED_REPORT:
      return readEchoes(body);
    default:
      return [];
  }
}

/** An NTP time of two 32-bit words in ms since 1900, exact to 1 µs. */
export const ntpToMs = (seconds: number, fraction: number): number => seconds * 1000 + Math.round((fraction / 2 ** 32) * 1e6) / 1000;

function readSenderReport(body: DataView): SenderReport {
  const seconds = body.getUint32(4);
  const fraction = body.getUint32(8);
  return {
    kind: 'sender-report',
    ssrc: body.getUint32(0),
    ntpMs: ntpToMs(seconds, fraction),
    ntpMiddle: (((seconds & 0xffff) << 16) | (fraction >>> 16)) >>> 0,
    timestamp: body.getUint32(12),
  };
}

function readEchoes(body: DataView): ReferenceTimeEcho[] {
  const echoes: ReferenceTimeEcho[] = [];
  for (let at = 4; at + 4 <= body.byteLength; ) {
    const end = at + 4 + body.getUint16(at + 2) * 4;
    if (end > body.byteLength) break;
    for (let entry = at + 4; body.getUint8(at) === DLRR_BLOCK && entry + 12 <= end; entry += 12) {
      echoes.push({
        kind: 'reference-time-echo',
        receiverSsrc: body.getUint32(entry),
        ntpMiddle: body.getUint32(entry + 4),
        delay: body.getUint32(entry + 8),
      });
    }
    at = end;
  }
  return echoes;
}
