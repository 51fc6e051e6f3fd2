import koffi from 'koffi';

/** `EVP_CTRL_AEAD_SET_TAG` of OpenSSL's evp.h. */
const SET_TAG = 0x11;

/**
 * Decrypts `text` in place and authenticates it with the first `associatedBytes` of `associated`. False if they are not authentic: then the text is spoiled.
 * The vector has 12 bytes, the tag 16.
 */
export type OpenGcm = (key: Uint8Array, vector: Uint8Array, associated: Uint8Array, associatedBytes: number, text: Uint8Array, tag: Uint8Array) => boolean;

type Init = (context: bigint, cipher: bigint | null, engine: null, key: Uint8Array | null, vector: Uint8Array | null) => number;
type Update = (context: bigint, out: Uint8Array | null, outBytes: Uint8Array, data: Uint8Array, bytes: number) => number;

/**
 * AES-128-GCM by the OpenSSL that this Node is built with, called directly: node:crypto makes a cipher object for each packet, which costs four times
 * as much as the rest. One context serves all keys and lives as long as the thread. Undefined where Node does not show its OpenSSL.
 */
export function bindFastGcm(): OpenGcm | undefined {
  try {
    return bind();
  } catch {
    return undefined;
  }
}

function bind(): OpenGcm | undefined {
  const library = koffi.load(null);
  const init = library.func('int EVP_DecryptInit_ex(void *context, void *cipher, void *engine, const uint8_t *key, const uint8_t *vector)') as Init;
  const update = library.func('int EVP_DecryptUpdate(void *context, uint8_t *out, uint8_t *out_bytes, const uint8_t *data, int bytes)') as Update;
  const finish = library.func('int EVP_DecryptFinal_ex(void *context, uint8_t *out, uint8_t *out_bytes)') as (context: bigint, out: Uint8Array, outBytes: Uint8Array) => number;
  const control = library.func('int EVP_CIPHER_CTX_ctrl(void *context, int type, int bytes, const uint8_t *data)') as (context: bigint, type: number, bytes: number, data: Uint8Array) => number;
  const context = (library.func('void *EVP_CIPHER_CTX_new()') as () => bigint | null)();
  const cipher = (library.func('void *EVP_aes_128_gcm()') as () => bigint | null)();
  if (context === null || cipher === null || init(context, cipher, null, null, null) !== 1) return undefined;
  const written = Buffer.alloc(4);
  const rest = Buffer.alloc(16);
  return (key, vector, associated, associatedBytes, text, tag) =>
    init(context, null, null, key, vector) === 1 &&
    update(context, null, written, associated, associatedBytes) === 1 &&
    (text.length === 0 || update(context, text, written, text, text.length) === 1) &&
    control(context, SET_TAG, tag.length, tag) === 1 &&
    finish(context, rest, written) === 1;
}
