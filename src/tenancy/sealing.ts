import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { EarshotError } from '../core/errors.ts';
import type { Sealer } from '../core/sealer.ts';
import { keptSecret } from './kept-secret.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 1;

/** The key that guards what is kept in the data folder: 32 random bytes in `data-key`, made on the first start. Who loses it loses what it sealed. */
export class DataKey {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Throws `STORE_UNAVAILABLE` if the file holds something else; it is never replaced. */
  static keptIn(dataDir: string): DataKey {
    const path = join(dataDir, 'data-key');
    const bytes = Buffer.from(keptSecret(path, () => randomBytes(KEY_BYTES).toString('base64url')), 'base64url');
    if (bytes.length !== KEY_BYTES) throw new EarshotError('STORE_UNAVAILABLE', `${path} does not hold a key. Restore it from a backup: without it, what it sealed cannot be read.`);
    return new DataKey(bytes);
  }

  /** A key of its own for each purpose (HKDF with SHA-256, RFC 5869): one that leaks tells nothing of the others. */
  derive(purpose: string): Uint8Array {
    return new Uint8Array(hkdfSync('sha256', this.#bytes, '', `earshot ${purpose}`, KEY_BYTES));
  }

  sealer(purpose: string): Sealer {
    return new AesGcmSealer(this.derive(purpose));
  }
}

/** AES-256-GCM: version (1 byte), nonce (12, random), ciphertext, tag (16). The context is authenticated with it. */
class AesGcmSealer implements Sealer {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  seal(bytes: Uint8Array, context: string): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(context));
    return Buffer.concat([Uint8Array.of(VERSION), nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  }

  open(sealed: Uint8Array, context: string): Uint8Array {
    const textStart = 1 + NONCE_BYTES;
    const tagStart = sealed.length - TAG_BYTES;
    try {
      if (sealed[0] !== VERSION || tagStart < textStart) throw new Error('not sealed by this version');
      const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(1, textStart), { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(tagStart));
      return Buffer.concat([decipher.update(sealed.subarray(textStart, tagStart)), decipher.final()]);
    } catch (cause) {
      throw new EarshotError('STORE_UNAVAILABLE', 'What was sealed cannot be opened: the data key is another, or the bytes are damaged.', { cause });
    }
  }
}
