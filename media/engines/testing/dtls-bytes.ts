/** A DTLS record of version 1.2. */
export function dtlsRecord(type: number, epoch: number, sequenceNumber: number, fragment: Uint8Array): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt8(type, 0);
  header.writeUInt16BE(0xfefd, 1);
  header.writeUInt16BE(epoch, 3);
  header.writeUIntBE(sequenceNumber, 5, 6);
  header.writeUInt16BE(fragment.length, 11);
  return Buffer.concat([header, fragment]);
}

export interface MessagePart {
  readonly lengthBytes?: number;
  /** Default 0, the first of its sender. */
  readonly messageNumber?: number;
  readonly offsetBytes?: number;
}

/** A handshake message, or a part of a longer one. */
export function handshakeMessage(type: number, body: Uint8Array, part: MessagePart = {}): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(type, 0);
  header.writeUIntBE(part.lengthBytes ?? body.length, 1, 3);
  header.writeUInt16BE(part.messageNumber ?? 0, 4);
  header.writeUIntBE(part.offsetBytes ?? 0, 6, 3);
  header.writeUIntBE(body.length, 9, 3);
  return Buffer.concat([header, body]);
}

export interface HelloFields {
  readonly version?: number;
  readonly cipherSuites?: readonly number[];
  readonly groups?: readonly number[];
  readonly srtpProfiles?: readonly number[];
  /** 1 in the ClientHello with a cookie. Default 0. */
  readonly messageNumber?: number;
}

/** A datagram with a ClientHello, as a browser's but for what it does not need. */
export function clientHelloRecord({ version = 0xfefd, cipherSuites = [0x1301, 0xc02b], groups = [29, 23], srtpProfiles = [7, 1], messageNumber = 0 }: HelloFields = {}): Buffer {
  const extensions = Buffer.concat([
    extension(10, list(groups)),
    extension(13, list([0x0403])),
    extension(14, Buffer.concat([list(srtpProfiles), Buffer.of(0)])),
    extension(23, Buffer.alloc(0)),
  ]);
  const body = Buffer.concat([uint16(version), Buffer.alloc(32, 5), Buffer.of(0, 0), list(cipherSuites), Buffer.of(1, 0), uint16(extensions.length), extensions]);
  return dtlsRecord(22, 0, 0, handshakeMessage(1, body, { messageNumber }));
}

const uint16 = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff);
const list = (values: readonly number[]): Buffer => Buffer.concat([uint16(values.length * 2), ...values.map(uint16)]);
const extension = (type: number, data: Buffer): Buffer => Buffer.concat([uint16(type), uint16(data.length), data]);
