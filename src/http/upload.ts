import type { FastifyRequest } from 'fastify';
import { invalid } from '../../signaling/dialects/fields.ts';
import { EarshotError } from '../core/errors.ts';
import type { BlobStore } from '../core/store/blobs.ts';

/** An uploaded file: small ones are held in memory, others are in the blob store already, and belong to who asked for the upload. */
export type UploadedFile = { readonly kind: 'held'; readonly bytes: Buffer } | { readonly kind: 'stored'; readonly blob: string; readonly size: number };

export interface UploadedForm {
  readonly file: UploadedFile | undefined;
  /** As the client calls it. */
  readonly filename: string | undefined;
  /** In the form's order; a name may come several times. */
  readonly fields: URLSearchParams;
}

export interface UploadLimits {
  /** Files over this size go to the blob store. */
  readonly maxHeldBytes: number;
  /** Files over this size are refused with `AUDIO_TOO_LARGE`. */
  readonly maxUploadBytes: number;
  /** What the file's part may be called. Default: `file`. */
  readonly names?: readonly string[];
}

/** Fields and part headers around the file. */
export const MAX_ENVELOPE_BYTES = 64 * 1024;

/**
 * Reads a form whose fields may follow its file. Memory is bounded by `maxHeldBytes`; nothing is left in the blob store if the form breaks
 * off. Throws `AUDIO_TOO_LARGE`, `VALIDATION_ERROR`, or `MESSAGE_MALFORMED` for a form that cannot be read to its end.
 */
export async function readForm(request: FastifyRequest, blobs: BlobStore, limits: UploadLimits): Promise<UploadedForm> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limits.maxUploadBytes + MAX_ENVELOPE_BYTES) throw tooLarge(limits.maxUploadBytes);
  const { names = ['file'] } = limits;
  const fields = new URLSearchParams();
  let file: UploadedFile | undefined;
  let filename: string | undefined;
  try {
    for await (const part of request.parts({ limits: { fileSize: limits.maxUploadBytes + 1, files: 2 } })) {
      if (part.type === 'field') {
        fields.append(part.fieldname, typeof part.value === 'string' ? part.value : '');
      } else if (names.includes(part.fieldname) && !file) {
        filename = part.filename;
        file = await receive(part.file, blobs, limits);
      } else {
        part.file.resume();
        throw invalid([{ field: part.fieldname, message: `one file, named \`${names[0] ?? ''}\`` }]);
      }
    }
    return { file, filename, fields };
  } catch (error) {
    await discard(file, blobs);
    throw formError(error);
  }
}

/** Deletes what was stored of an upload that comes to nothing. */
export async function discard(file: UploadedFile | undefined, blobs: BlobStore): Promise<void> {
  if (file?.kind === 'stored') await blobs.delete(file.blob);
}

/** The file as a blob, whatever it was until now. */
export async function stored(file: UploadedFile, blobs: BlobStore): Promise<{ readonly blob: string; readonly size: number }> {
  if (file.kind === 'stored') return file;
  const { name, bytes } = await blobs.write(chunksOf(file.bytes), { maxBytes: file.bytes.length });
  return { blob: name, size: bytes };
}

export async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  const step = 64 * 1024;
  for (let offset = 0; offset < bytes.length; offset += step) yield bytes.subarray(offset, offset + step);
}

async function receive(stream: AsyncIterable<Uint8Array>, blobs: BlobStore, limits: UploadLimits): Promise<UploadedFile> {
  const chunks = stream[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let size = 0;
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
    held.push(next.value);
    size += next.value.length;
    if (size > limits.maxHeldBytes) break;
  }
  if (size <= limits.maxHeldBytes) return { kind: 'held', bytes: Buffer.concat(held, size) };
  const { name, bytes } = await blobs.write(following(held, chunks), { maxBytes: limits.maxUploadBytes }).catch((error: unknown) => {
    throw error instanceof EarshotError && error.code === 'AUDIO_TOO_LARGE' ? tooLarge(limits.maxUploadBytes) : error;
  });
  return { kind: 'stored', blob: name, size: bytes };
}

async function* following(held: Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  yield* held.splice(0);
  try {
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

function tooLarge(maxUploadBytes: number): EarshotError {
  return new EarshotError('AUDIO_TOO_LARGE', `The file is over the limit of ${(maxUploadBytes / 1024 / 1024).toFixed(1)} MiB.`);
}

/** The form's parser has no class for its errors: those without a status are about a form that breaks off or cannot be read. */
export function formError(error: unknown): unknown {
  if (error instanceof EarshotError || (error as { readonly statusCode?: number }).statusCode !== undefined) return error;
  return new EarshotError('MESSAGE_MALFORMED', 'The form is incomplete or cannot be parsed.', { cause: error });
}
