const FIXED_HEADER_BYTES = 12;
const VERSION = 2;
const ONE_BYTE_PROFILE = 0xbede;

/**
 * Length of an RTP packet's header with its contributing sources and its extension (RFC 3550, section 5.1), which is the part
 * that SRTP leaves in the clear; 0 if `packet` holds no whole header.
 */
export function rtpHeaderBytes(packet: Uint8Array): number {
  const first = packet[0] ?? 0;
  if (packet.length < FIXED_HEADER_BYTES || first >> 6 !== VERSION) return 0;
  const length = FIXED_HEADER_BYTES + 4 * (first & 0x0f);
  if ((first & 0x10) === 0) return length <= packet.length ? length : 0;
  if (length + 4 > packet.length) return 0;
  const words = ((packet[length + 2] ?? 0) << 8) | (packet[length + 3] ?? 0);
  const whole = length + 4 + 4 * words;
  return whole <= packet.length ? whole : 0;
}

/**
 * A header extension by its number (RFC 8285), from a packet whose header is whole; undefined if it is not there.
 * `headerBytes` as {@link rtpHeaderBytes} says.
 */
export function rtpExtension(packet: Uint8Array, headerBytes: number, id: number): Uint8Array | undefined {
  const first = packet[0] ?? 0;
  if ((first & 0x10) === 0) return undefined;
  const start = FIXED_HEADER_BYTES + 4 * (first & 0x0f);
  const profile = ((packet[start] ?? 0) << 8) | (packet[start + 1] ?? 0);
  if (profile === ONE_BYTE_PROFILE) return oneByteExtension(packet, start + 4, headerBytes, id);
  return profile >> 4 === 0x100 ? twoByteExtension(packet, start + 4, headerBytes, id) : undefined;
}

function oneByteExtension(packet: Uint8Array, start: number, end: number, id: number): Uint8Array | undefined {
  let at = start;
  while (at < end) {
    const head = packet[at] ?? 0;
    if (head === 0) {
      at += 1;
      continue;
    }
    const found = head >> 4;
    if (found === 15) return undefined;
    const next = at + 2 + (head & 0x0f);
    if (next > end) return undefined;
    if (found === id) return packet.subarray(at + 1, next);
    at = next;
  }
  return undefined;
}

function twoByteExtension(packet: Uint8Array, start: number, end: number, id: number): Uint8Array | undefined {
  let at = start;
  while (at + 1 < end) {
    const found = packet[at] ?? 0;
    if (found === 0) {
      at += 1;
      continue;
    }
    const next = at + 2 + (packet[at + 1] ?? 0);
    if (next > end) return undefined;
    if (found === id) return packet.subarray(at + 2, next);
    at = next;
  }
  return undefined;
}
