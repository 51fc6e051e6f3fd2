import type { RtpPacket } from './packet.ts';

const FIXED_HEADER_BYTES = 12;

/** Parses an RTP packet (RFC 3550, section 5.1). The payload is a view of `bytes`. Undefined if it is none. Pure. */
export function parseRtpPacket(bytes: Uint8Array): RtpPacket | undefined {
  const [first = 0, second = 0] = bytes;
  if (bytes.length < FIXED_HEADER_BYTES || first >> 6 !== 2) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = FIXED_HEADER_BYTES + (first & 0x0f) * 4;
  if ((first & 0x10) !== 0) {
    if (start + 4 > bytes.length) return undefined;
    start += 4 + view.getUint16(start + 2) * 4;
  }
  const padding = (first & 0x20) === 0 ? 0 : (bytes.at(-1) ?? 0);
  const end = bytes.length - padding;
  if (end < start || ((first & 0x20) !== 0 && padding === 0)) return undefined;
  return {
    ssrc: view.getUint32(8),
    payloadType: second & 0x7f,
    sequenceNumber: view.getUint16(2),
    timestamp: view.getUint32(4),
    marker: (second & 0x80) !== 0,
    payload: bytes.subarray(start, end),
  };
}
