import { constants, createHash, createHmac, timingSafeEqual, verify, X509Certificate } from 'node:crypto';
import { HandshakeType } from './dtls-records.ts';

/** A message of the handshake as it counts for its hashes (RFC 6347, section 4.2.6). */
export interface TranscriptMessage {
  readonly type: number;
  readonly body: Buffer;
  /** With its header, whole, however it was sent. */
  readonly bytes: Buffer;
}

export interface ClientProof {
  /** From the ClientHello with the cookie to the client's Finished, in order. */
  readonly transcript: readonly TranscriptMessage[];
  /** DER. */
  readonly certificate: Buffer;
  readonly masterSecret: Buffer;
}

/** Signature schemes (RFC 8446, section 4.2.3; as hash and signature RFC 5246, section 7.4.1.4.1). */
const SCHEMES: Readonly<Record<number, { readonly hash: string; readonly keyType: string; readonly isPss?: boolean }>> = {
  0x0403: { hash: 'sha256', keyType: 'ec' },
  0x0503: { hash: 'sha384', keyType: 'ec' },
  0x0603: { hash: 'sha512', keyType: 'ec' },
  0x0401: { hash: 'sha256', keyType: 'rsa' },
  0x0501: { hash: 'sha384', keyType: 'rsa' },
  0x0601: { hash: 'sha512', keyType: 'rsa' },
  0x0804: { hash: 'sha256', keyType: 'rsa', isPss: true },
  0x0805: { hash: 'sha384', keyType: 'rsa', isPss: true },
  0x0806: { hash: 'sha512', keyType: 'rsa', isPss: true },
};

/**
 * Has the client shown that it owns the key of its certificate, and that both sides saw the same handshake (RFC 5246, sections
 * 7.4.8 and 7.4.9, with SHA-256 as its PRF)? Only with that does the fingerprint of the certificate mean anything. Pure.
 */
export function isProvenClient({ transcript, certificate, masterSecret }: ClientProof): boolean {
  const verifyAt = transcript.findIndex(({ type }) => type === HandshakeType.certificateVerify);
  const finishedAt = transcript.findIndex(({ type }) => type === HandshakeType.finished);
  const [certificateVerify, finished] = [transcript[verifyAt], transcript[finishedAt]];
  if (!certificateVerify || !finished || finishedAt < verifyAt) return false;
  const bytesBefore = (index: number): Buffer => Buffer.concat(transcript.slice(0, index).map(({ bytes }) => bytes));
  if (!isSigned(bytesBefore(verifyAt), certificateVerify.body, certificate)) return false;
  const seed = Buffer.concat([Buffer.from('client finished'), createHash('sha256').update(bytesBefore(finishedAt)).digest()]);
  const expected = expand(masterSecret, seed, 12);
  return finished.body.length === expected.length && timingSafeEqual(finished.body, expected);
}

function isSigned(content: Buffer, certificateVerify: Buffer, certificate: Buffer): boolean {
  if (certificateVerify.length < 4 || certificateVerify.readUInt16BE(2) !== certificateVerify.length - 4) return false;
  const scheme = SCHEMES[certificateVerify.readUInt16BE(0)];
  if (!scheme) return false;
  try {
    const { publicKey } = new X509Certificate(certificate);
    if (publicKey.asymmetricKeyType !== scheme.keyType) return false;
    const key = scheme.isPss
      ? { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : publicKey;
    return verify(scheme.hash, content, key, certificateVerify.subarray(4));
  } catch {
    // A certificate that cannot be read proves nothing.
    return false;
  }
}

/** P_SHA256 (RFC 5246, section 5). */
function expand(secret: Buffer, seed: Buffer, lengthBytes: number): Buffer {
  const hmac = (data: Buffer): Buffer => createHmac('sha256', secret).update(data).digest();
  let output = Buffer.alloc(0);
  for (let step = hmac(seed); output.length < lengthBytes; step = hmac(step)) {
    output = Buffer.concat([output, hmac(Buffer.concat([step, seed]))]);
  }
  return output.subarray(0, lengthBytes);
}
