import type { RTCDtlsTransport } from 'werift';

const EXTENDED_REPORT = 207;
const REFERENCE_TIME_BLOCK = 4;
const DLRR_BLOCK = 5;
/** A receiver takes an echo that came in no time for none. */
const DELAY_MS = 20;

/** Has a client's transport echo the reference times of receivers (RFC 3611, section 4.5), as browsers do and werift does not. Once there are keys. */
export function echoReferenceTimes(transport: RTCDtlsTransport, senderSsrc: () => number): void {
  const { srtcp } = transport;
  const decrypt = srtcp.decrypt.bind(srtcp);
  srtcp.decrypt = (data) => {
    const compound = decrypt(data);
    const question = findReferenceTime(compound);
    if (question) setTimeout(() => void transport.sendRtcp([{ serialize: () => echoOf(question, senderSsrc()) } as never]), DELAY_MS);
    return compound;
  };
}

interface ReferenceTime {
  readonly receiverSsrc: number;
  readonly ntpMiddle: number;
}

function findReferenceTime(compound: Buffer): ReferenceTime | undefined {
  for (let at = 0; at + 20 <= compound.length; at += 4 + compound.readUInt16BE(at + 2) * 4) {
    if (compound[at + 1] !== EXTENDED_REPORT || compound[at + 8] !== REFERENCE_TIME_BLOCK) continue;
    return { receiverSsrc: compound.readUInt32BE(at + 4), ntpMiddle: compound.readUInt32BE(at + 14) };
  }
  return undefined;
}

function echoOf({ receiverSsrc, ntpMiddle }: ReferenceTime, senderSsrc: number): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt16BE(0x8000 | EXTENDED_REPORT);
  bytes.writeUInt16BE(5, 2);
  bytes.writeUInt32BE(senderSsrc, 4);
  bytes.writeUInt8(DLRR_BLOCK, 8);
  bytes.writeUInt16BE(3, 10);
  bytes.writeUInt32BE(receiverSsrc, 12);
  bytes.writeUInt32BE(ntpMiddle, 16);
  bytes.writeUInt32BE(Math.round((DELAY_MS / 1000) * 65_536), 20);
  return bytes;
}
