import { rtpHeaderBytes } from '../srtp/rtp-layout.ts';

/** Clock rate of RTP timestamps of Opus, always, whatever the encoder's bandwidth (RFC 7587, section 4.1). */
export const OPUS_CLOCK_HZ = 48_000;

/** One received RTP packet (RFC 3550, section 5.1), decrypted and with its padding taken off. Treated as immutable. */
export interface RtpPacket {
  readonly ssrc: number;
  readonly payloadType: number;
  /** 16 bits, wraps. */
  readonly sequenceNumber: number;
  /** 32 bits, wraps, at {@link OPUS_CLOCK_HZ}. */
  readonly timestamp: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
}

/** `a - b` on a circle of 2^16, from -32768 to 32767. */
export const sequenceDifference = (a: number, b: number): number => ((a - b) << 16) >> 16;

/** `a - b` on a circle of 2^32, from -2^31 to 2^31 - 1. */
export const timestampDifference = (a: number, b: number): number => (a - b) | 0;

/** A packet as it came off the wire, decrypted. Undefined if it is none. `payloadType`: default the packet's own. Pure. */
export function parseRtpPacket(packet: Buffer, payloadType?: number): RtpPacket | undefined {
  const headerBytes = rtpHeaderBytes(packet);
  return headerBytes === 0 ? undefined : readRtpPacket(packet, packet.subarray(headerBytes), payloadType);
}

export const rtpPayloadType = (packet: Uint8Array): number => (packet[1] ?? 0) & 0x7f;

/** The packet that `payload` came in, as SRTP opened it, without its padding; undefined if that is longer than the payload. */
export function readRtpPacket(packet: Buffer, payload: Uint8Array, payloadType = rtpPayloadType(packet)): RtpPacket | undefined {
  const second = packet[1] ?? 0;
  const isPadded = ((packet[0] ?? 0) & 0x20) !== 0;
  const padding = isPadded ? (payload.at(-1) ?? 0) : 0;
  if (padding > payload.length || (isPadded && padding === 0)) return undefined;
  return {
    ssrc: packet.readUInt32BE(8),
    payloadType,
    sequenceNumber: packet.readUInt16BE(2),
    timestamp: packet.readUInt32BE(4),
    marker: second >= 0x80,
    payload: padding === 0 ? payload : payload.subarray(0, payload.length - padding),
  };
}
