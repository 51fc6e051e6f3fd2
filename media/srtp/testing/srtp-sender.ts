import { createCipheriv, createHmac } from 'node:crypto';
import { deriveSessionKeys } from '../keys.ts';
import type { MasterKey, SrtpProfile } from '../keys.ts';
import { rtpHeaderBytes } from '../rtp-layout.ts';

/**
 * Protects RTP packets as RFC 3711 and RFC 7714 say, by node:crypto alone and one step after the other: what the receiver is
 * measured against. `rollOver` counts the wraps of the sequence number.
 */
export function protectRtp(profile: SrtpProfile, master: MasterKey, packet: Buffer, rollOver = 0): Buffer {
  const keys = deriveSessionKeys(profile, master, 'rtp');
  const headerBytes = rtpHeaderBytes(packet);
  const header = packet.subarray(0, headerBytes);
  const vector = Buffer.alloc(16);
  const at = profile === 'AEAD_AES_128_GCM' ? 2 : 4;
  packet.copy(vector, at, 8, 12);
  vector.writeUInt32BE(rollOver, at + 4);
  packet.copy(vector, at + 8, 2, 4);
  keys.salt.forEach((byte, i) => (vector[i] = (vector[i] ?? 0) ^ byte));
  if (profile === 'AEAD_AES_128_GCM') {
    const cipher = createCipheriv('aes-128-gcm', keys.encryption, vector.subarray(0, 12));
    cipher.setAAD(header);
    return Buffer.concat([header, cipher.update(packet.subarray(headerBytes)), cipher.final(), cipher.getAuthTag()]);
  }
  const cipher = createCipheriv('aes-128-ctr', keys.encryption, vector);
  const sealed = Buffer.concat([header, cipher.update(packet.subarray(headerBytes))]);
  const suffix = Buffer.alloc(4);
  suffix.writeUInt32BE(rollOver);
  const tag = createHmac('sha1', keys.authentication).update(sealed).update(suffix).digest().subarray(0, 10);
  return Buffer.concat([sealed, tag]);
}

export interface RtpFields {
  readonly ssrc?: number;
  readonly payloadType?: number;
  readonly sequenceNumber?: number;
  readonly timestamp?: number;
  readonly marker?: boolean;
  /** Header extensions in the one-byte form (RFC 8285). */
  readonly extensions?: readonly { readonly id: number; readonly data: Uint8Array }[];
}

/** An RTP packet. */
export function rtpPacket(payload: Uint8Array, fields: RtpFields = {}): Buffer {
  const elements = (fields.extensions ?? []).flatMap(({ id, data }) => [(id << 4) | (data.length - 1), ...data]);
  while (elements.length % 4 !== 0) elements.push(0);
  const extension = elements.length === 0 ? [] : [0xbe, 0xde, 0, elements.length / 4, ...elements];
  const header = Buffer.alloc(12);
  header[0] = extension.length === 0 ? 0x80 : 0x90;
  header[1] = (fields.marker === true ? 0x80 : 0) | (fields.payloadType ?? 111);
  header.writeUInt16BE((fields.sequenceNumber ?? 0) % 0x1_0000, 2);
  header.writeUInt32BE((fields.timestamp ?? 0) % 2 ** 32, 4);
  header.writeUInt32BE(fields.ssrc ?? 1, 8);
  return Buffer.concat([header, Buffer.from(extension), payload]);
}
