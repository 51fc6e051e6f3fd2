import { createCipheriv, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** Protection profiles of DTLS-SRTP (RFC 5764, section 4.1.2; RFC 7714, section 14.2) that are spoken here. */
export type SrtpProfile = 'AES_CM_128_HMAC_SHA1_80' | 'AEAD_AES_128_GCM';

/** One direction's master key and salt: 16 bytes, and 14 (CM) or 12 (GCM). */
export interface MasterKey {
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
}

export const MASTER_KEY_BYTES = 16;
export const masterSaltBytes = (profile: SrtpProfile): number => (profile === 'AEAD_AES_128_GCM' ? 12 : 14);

/** What protects the packets of one direction (RFC 3711, section 4.3): of RTP, or of RTCP. */
export interface SessionKeys {
  readonly encryption: KeyObject;
  /** 20 bytes; not used by GCM. */
  readonly authentication: Uint8Array;
  readonly salt: Buffer;
}

const AUTHENTICATION_KEY_BYTES = 20;
const LABELS = { rtp: { encryption: 0, authentication: 1, salt: 2 }, rtcp: { encryption: 3, authentication: 4, salt: 5 } } as const;

/** The session keys that a master key gives, with a key derivation rate of 0, as DTLS-SRTP has it. Pure. */
export function deriveSessionKeys(profile: SrtpProfile, master: MasterKey, of: 'rtp' | 'rtcp'): SessionKeys {
  if (master.key.length !== MASTER_KEY_BYTES || master.salt.length !== masterSaltBytes(profile)) {
    throw new RangeError('The master key or salt has the wrong length for its profile.');
  }
  const labels = LABELS[of];
  return {
    encryption: createSecretKey(derive(master, labels.encryption, MASTER_KEY_BYTES)),
    authentication: derive(master, labels.authentication, AUTHENTICATION_KEY_BYTES),
    salt: derive(master, labels.salt, masterSaltBytes(profile)),
  };
}

/** The key stream of AES-CM under the master key, from the salt with the label in it (RFC 3711, section 4.3.3). */
function derive({ key, salt }: MasterKey, label: number, lengthBytes: number): Buffer {
  const counter = Buffer.alloc(16);
  counter.set(salt);
  counter[7] = (counter[7] ?? 0) ^ label;
  return createCipheriv('aes-128-ctr', key, counter).update(Buffer.alloc(lengthBytes));
}
