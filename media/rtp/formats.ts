import type { RtpPacket } from './packet.ts';
import { readRed } from './red.ts';

/** What the packets of an audio section hold, by payload type, as it was negotiated. Plain data. */
export interface RtpFormats {
  readonly opus: readonly number[];
  /** Redundant audio of Opus (RFC 2198). */
  readonly red: readonly number[];
  /** Retransmissions on a stream of their own (RFC 4588), and the payload type of what they repeat. */
  readonly rtx: readonly { readonly payloadType: number; readonly repeats: number }[];
  /** The sender was told that lost packets will be asked for (RFC 4585, section 6.2.1). */
  readonly nack: boolean;
}

/** A packet as the jitter buffer wants it: of the stream itself, its payload one Opus packet. */
export interface Unpacked {
  readonly packet: RtpPacket;
  /** Copies of packets before it, oldest first. */
  readonly copies: readonly RtpPacket[];
  /** It came on the stream of retransmissions. */
  readonly isRetransmission: boolean;
}

const NO_COPIES: readonly RtpPacket[] = [];

/** Takes off what is around the Opus packet. Undefined if it is of another format, or malformed. `ssrc` is the stream's own. Pure. */
export function unpack(packet: RtpPacket, formats: RtpFormats | undefined, ssrc: number | undefined): Unpacked | undefined {
  if (!formats || formats.opus.includes(packet.payloadType)) return { packet, copies: NO_COPIES, isRetransmission: false };
  if (packet.payload.length === 0) return formats.red.includes(packet.payloadType) ? { packet, copies: NO_COPIES, isRetransmission: false } : undefined;
  if (formats.red.includes(packet.payloadType)) {
    const red = readRed(packet);
    if (!red || !formats.opus.includes(red.primary.payloadType)) return undefined;
    const copies = red.copies.filter(({ payloadType }) => formats.opus.includes(payloadType));
    return { packet: red.primary, copies, isRetransmission: false };
  }
  const rtx = formats.rtx.find(({ payloadType }) => payloadType === packet.payloadType);
  const [high, low] = packet.payload;
  if (!rtx || ssrc === undefined || high === undefined || low === undefined) return undefined;
  const repeated = {
    ...packet,
    ssrc,
    payloadType: rtx.repeats,
    sequenceNumber: (high << 8) | low,
    payload: packet.payload.subarray(2),
  };
  const inner = unpack(repeated, { ...formats, rtx: [] }, ssrc);
  return inner && { ...inner, isRetransmission: true };
}
