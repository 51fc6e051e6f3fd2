/** What the first byte of a datagram says it is (RFC 7983, section 7). */
export type DatagramKind = 'stun' | 'dtls' | 'media' | 'unknown';

export function datagramKind(data: Uint8Array): DatagramKind {
  const first = data[0] ?? 255;
  if (first >= 128 && first <= 191) return 'media';
  if (first <= 3) return 'stun';
  return first >= 20 && first <= 63 ? 'dtls' : 'unknown';
}

/** RTCP among media packets (RFC 5761, section 4). */
export const isRtcp = (packet: Uint8Array): boolean => {
  const type = packet[1] ?? 0;
  return type >= 192 && type <= 223;
};

export interface StunEnvelope {
  readonly isRequest: boolean;
  /** 24 hexadecimal digits. */
  readonly transactionId: string;
  /** Of a request: the receiver's half of its user name (RFC 8445, section 7.2.2); '' if there is none. */
  readonly ufrag: string;
}

const HEADER_BYTES = 20;
const MAGIC_COOKIE = 0x2112_a442;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const BINDING_ERROR = 0x0111;
const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
/** Checks are a tenth of it. */
const MAX_STUN_BYTES = 1280;
const MAX_USERNAME_BYTES = 513;

/**
 * As much of a STUN binding message (RFC 8489) as it takes to know whose it is. Undefined: not one, or one that is not worth a
 * digest, because it is malformed or does not claim to be authentic. Whether it is must be checked by who knows the password.
 */
export function readStunEnvelope(data: Buffer): StunEnvelope | undefined {
  if (data.length < HEADER_BYTES || data.length > MAX_STUN_BYTES || data.readUInt32BE(4) !== MAGIC_COOKIE) return undefined;
  if (data.readUInt16BE(2) !== data.length - HEADER_BYTES) return undefined;
  const type = data.readUInt16BE(0);
  const transactionId = data.toString('hex', 8, HEADER_BYTES);
  if (type === BINDING_SUCCESS || type === BINDING_ERROR) return { isRequest: false, transactionId, ufrag: '' };
  if (type !== BINDING_REQUEST) return undefined;
  const username = authenticatedUsername(data);
  const colon = username?.indexOf(':') ?? -1;
  return colon > 0 ? { isRequest: true, transactionId, ufrag: username?.slice(0, colon) ?? '' } : undefined;
}

/** The user name of a message that has a digest behind it. */
function authenticatedUsername(data: Buffer): string | undefined {
  let username: string | undefined;
  for (let at = HEADER_BYTES; at + 4 <= data.length; ) {
    const type = data.readUInt16BE(at);
    const length = data.readUInt16BE(at + 2);
    const end = at + 4 + length;
    if (end > data.length) return undefined;
    if (type === MESSAGE_INTEGRITY) return length === 20 ? username : undefined;
    if (type === USERNAME && length <= MAX_USERNAME_BYTES) username = data.toString('latin1', at + 4, end);
    at = end + ((4 - (length % 4)) % 4);
  }
  return undefined;
}
