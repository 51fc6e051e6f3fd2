/** Payload protocol of the messages that open data channels (RFC 8831, section 8). */
export const DCEP_PPID = 50;

/** Payload protocols of what channels carry; the empty ones carry one byte that means nothing. */
export const STRING_PPID = 51;
export const EMPTY_STRING_PPID = 56;
export const EMPTY_BINARY_PPID = 57;

const OPEN = 0x03;
const ACK = 0x02;
const OPEN_HEADER_BYTES = 12;

/** The answer to a message that opens a channel (RFC 8832, section 5.2). */
export const CHANNEL_ACK = Uint8Array.of(ACK);

/** The label of the channel that the message opens (RFC 8832, section 5.1); undefined if it opens none. Pure. */
export function openedLabel(message: Uint8Array): string | undefined {
  if (message.length < OPEN_HEADER_BYTES || message[0] !== OPEN) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const labelEnd = OPEN_HEADER_BYTES + view.getUint16(8);
  if (labelEnd + view.getUint16(10) > message.length) return undefined;
  return new TextDecoder().decode(message.subarray(OPEN_HEADER_BYTES, labelEnd));
}
