import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { EarshotError } from '../core/errors.ts';

/** A certificate (with its chain, if it has one) and its private key, both PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Asked at the start and now and then afterwards, so that a renewed certificate is taken without a restart. */
export type CertificateSource = () => Promise<Certificate>;

/** A certificate that somebody else looks after. Rejects with `VALIDATION_ERROR` where the files are no certificate with its key. */
export function certificateFromFiles(certPath: string, keyPath: string): CertificateSource {
  return async () => {
    try {
      const certificate = { cert: await readFile(certPath, 'utf8'), key: await readFile(keyPath, 'utf8') };
      if (!fits(certificate)) throw new Error('the key is not that of the certificate');
      return certificate;
    } catch (cause) {
      throw new EarshotError('VALIDATION_ERROR', `No certificate in ${certPath} and ${keyPath}: ${(cause as Error).message}`, { cause });
    }
  };
}

export interface SelfSignedOptions {
  /** Holds `certificate.pem` and `key.pem`. */
  readonly folder: string;
  /** Names and addresses that clients call the server by. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

export const CERTIFICATE_FILE = 'certificate.pem';
const KEY_FILE = 'key.pem';
const DAY_MS = 86_400_000;
/** Some clients take no certificate that is good for longer. */
const LIFETIME_MS = 397 * DAY_MS;
/** Made again when less than this is left. */
const RENEWAL_MS = 30 * DAY_MS;

/** A certificate of the server's own, kept between starts; a new one when it is about to expire or the names have changed. */
export function selfSignedCertificate(options: SelfSignedOptions): CertificateSource {
  return async () => (await keptCertificate(options)) ?? (await makeCertificate(options));
}

async function keptCertificate({ folder, names, nowMs }: SelfSignedOptions): Promise<Certificate | undefined> {
  try {
    const certificate = { cert: await readFile(join(folder, CERTIFICATE_FILE), 'utf8'), key: await readFile(join(folder, KEY_FILE), 'utf8') };
    const x509 = new X509Certificate(certificate.cert);
    const isLasting = x509.validToDate.getTime() - nowMs() > RENEWAL_MS;
    const isNamed = names.every((name) => (isIP(name) === 0 ? x509.checkHost(name) : x509.checkIP(name)) !== undefined);
    // A crash between the two files leaves a pair that does not fit.
    return isLasting && isNamed && fits(certificate) ? certificate : undefined;
  } catch {
    return undefined;
  }
}

async function makeCertificate({ folder, names, nowMs }: SelfSignedOptions): Promise<Certificate> {
  const altNames = names.map((name) => (isIP(name) === 0 ? ({ type: 2, value: name } as const) : ({ type: 7, ip: name } as const)));
  const made = await generate([{ name: 'commonName', value: 'Earshot' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    // An hour for clocks that are behind.
    notBeforeDate: new Date(nowMs() - 3_600_000),
    notAfterDate: new Date(nowMs() + LIFETIME_MS),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames },
    ],
  });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, KEY_FILE), made.private, { mode: 0o600 });
  await writeFile(join(folder, CERTIFICATE_FILE), made.cert);
  return { cert: made.cert, key: made.private };
}

function fits({ cert, key }: Certificate): boolean {
  return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
}
