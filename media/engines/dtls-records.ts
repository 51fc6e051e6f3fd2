/** DTLS record types (RFC 6347, section 4.1; RFC 5246, section 6.2.1). */
export const RecordType = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;

/** Handshake messages that a server takes (RFC 5246, section 7.4). */
export const HandshakeType = { clientHello: 1, certificate: 11, certificateVerify: 15, clientKeyExchange: 16, finished: 20 } as const;

export interface DtlsRecord {
  readonly type: number;
  readonly version: number;
  readonly epoch: number;
  readonly sequenceNumber: number;
  /** What follows the header. */
  readonly fragment: Buffer;
  /** Header and fragment. */
  readonly bytes: Buffer;
}

/** As 16 bits, which count down: DTLS 1.2, and 1.0 before it. There was no 1.1. */
export const DTLS_1_2 = 0xfefd;
const DTLS_1_0 = 0xfeff;

const RECORD_HEADER_BYTES = 13;
/** RFC 6347, section 4.1: 2^14 of text, and what encryption may add. */
const MAX_FRAGMENT_BYTES = 2 ** 14 + 2048;
const HANDSHAKE_HEADER_BYTES = 12;
/** No certificate of a browser comes near. */
const MAX_HANDSHAKE_BYTES = 2 ** 14;

/** The records of a datagram, up to the first that is not whole or of no known kind. Pure. */
export function readDtlsRecords(datagram: Buffer): DtlsRecord[] {
  const records: DtlsRecord[] = [];
  let at = 0;
  while (at + RECORD_HEADER_BYTES <= datagram.length) {
    const type = datagram.readUInt8(at);
    const version = datagram.readUInt16BE(at + 1);
    const length = datagram.readUInt16BE(at + 11);
    const end = at + RECORD_HEADER_BYTES + length;
    const isKnown = type >= RecordType.changeCipherSpec && type <= RecordType.applicationData;
    if (!isKnown || (version !== DTLS_1_2 && version !== DTLS_1_0) || length === 0 || length > MAX_FRAGMENT_BYTES || end > datagram.length) break;
    records.push({
      type,
      version,
      epoch: datagram.readUInt16BE(at + 3),
      sequenceNumber: datagram.readUIntBE(at + 5, 6),
      fragment: datagram.subarray(at + RECORD_HEADER_BYTES, end),
      bytes: datagram.subarray(at, end),
    });
    at = end;
  }
  return records;
}

export interface HandshakeFragment {
  readonly type: number;
  /** Of the whole message. */
  readonly lengthBytes: number;
  readonly messageNumber: number;
  readonly offsetBytes: number;
  readonly body: Buffer;
}

/** The handshake messages, or parts of them, in the text of a record; undefined if one of them is malformed. Pure. */
export function readHandshakes(text: Buffer): HandshakeFragment[] | undefined {
  const fragments: HandshakeFragment[] = [];
  let at = 0;
  while (at < text.length) {
    if (at + HANDSHAKE_HEADER_BYTES > text.length) return undefined;
    const lengthBytes = text.readUIntBE(at + 1, 3);
    const offsetBytes = text.readUIntBE(at + 6, 3);
    const partBytes = text.readUIntBE(at + 9, 3);
    const end = at + HANDSHAKE_HEADER_BYTES + partBytes;
    if (lengthBytes > MAX_HANDSHAKE_BYTES || offsetBytes + partBytes > lengthBytes || end > text.length) return undefined;
    fragments.push({
      type: text.readUInt8(at),
      lengthBytes,
      messageNumber: text.readUInt16BE(at + 4),
      offsetBytes,
      body: text.subarray(at + HANDSHAKE_HEADER_BYTES, end),
    });
    at = end;
  }
  return fragments;
}

export interface ClientHello {
  readonly version: number;
  readonly cipherSuites: readonly number[];
  /** Empty if the extension is missing; likewise the next. */
  readonly groups: readonly number[];
  readonly srtpProfiles: readonly number[];
}

const SUPPORTED_GROUPS = 10;
const USE_SRTP = 14;

/** A ClientHello (RFC 6347, section 4.2.1); undefined if it is malformed. Pure. */
export function readClientHello(body: Buffer): ClientHello | undefined {
  const reader = new Reader(body);
  const version = reader.number(2);
  reader.take(32);
  reader.take(reader.number(1));
  reader.take(reader.number(1));
  const cipherSuites = numbers(reader.take(reader.number(2)));
  reader.take(reader.number(1));
  const extensions = reader.isAtEnd ? Buffer.alloc(0) : reader.take(reader.number(2));
  if (reader.failed || !reader.isAtEnd) return undefined;
  let groups: readonly number[] = [];
  let srtpProfiles: readonly number[] = [];
  for (const rest = new Reader(extensions); !rest.isAtEnd; ) {
    const type = rest.number(2);
    const data = new Reader(rest.take(rest.number(2)));
    if (type === SUPPORTED_GROUPS) groups = numbers(data.take(data.number(2)));
    if (type === USE_SRTP) srtpProfiles = numbers(data.take(data.number(2)));
    if (rest.failed || data.failed) return undefined;
  }
  return { version, cipherSuites, groups, srtpProfiles };
}

const numbers = (list: Buffer): number[] => Array.from({ length: list.length >> 1 }, (_, i) => list.readUInt16BE(2 * i));

/** Reads forward; beyond the end it has failed and yields nothing. */
class Reader {
  failed = false;
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get isAtEnd(): boolean {
    return this.failed || this.#at >= this.#data.length;
  }

  number(bytes: 1 | 2): number {
    const part = this.take(bytes);
    return part.length === bytes ? part.readUIntBE(0, bytes) : 0;
  }

  take(bytes: number): Buffer {
    const end = this.#at + bytes;
    if (this.failed || end > this.#data.length) {
      this.failed = true;
      return Buffer.alloc(0);
    }
    const part = this.#data.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
}
