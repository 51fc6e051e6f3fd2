import { SAMPLES_PER_MS, type AudioDecoder } from '../core/audio.ts';
import { EarshotError } from '../core/errors.ts';
import type { Sealer } from '../core/sealer.ts';
import type { BlobStore } from '../core/store/blobs.ts';

/** A file that was uploaded before the job that will want it. */
export interface Upload {
  readonly blob: string;
  readonly bytes: number;
  readonly id: string;
  readonly filename: string | null;
  readonly durationMs: number;
  readonly channels: number;
}

/**
 * Uploads that no job has yet. Who uploaded one gets a token, which holds all that is known of it, sealed for the tenant: nothing is kept of it
 * here but the file, so that uploads outlive a restart. A file that no job took goes with the sweep of those that nobody has, after an hour
 * or two; a job takes a copy, so that one upload may serve several.
 */
export class Uploads {
  readonly #blobs: BlobStore;
  readonly #sealer: Sealer;

  constructor(blobs: BlobStore, sealer: Sealer) {
    this.#blobs = blobs;
    this.#sealer = sealer;
  }

  tokenOf(tenantId: string, upload: Upload): string {
    return Buffer.from(this.#sealer.seal(Buffer.from(JSON.stringify(upload)), contextOf(tenantId))).toString('base64url');
  }

  /** Undefined for what is no token of this tenant. */
  open(tenantId: string, token: string): Upload | undefined {
    try {
      return JSON.parse(Buffer.from(this.#sealer.open(Buffer.from(token, 'base64url'), contextOf(tenantId))).toString()) as Upload;
    } catch {
      return undefined;
    }
  }

  /** For a job of its own. Throws `NOT_FOUND` if the upload is gone. */
  async copy({ blob, bytes }: Upload): Promise<{ readonly blob: string; readonly bytes: number }> {
    const { name } = await this.#blobs.write(this.#blobs.read(blob), { maxBytes: bytes });
    return { blob: name, bytes };
  }
}

/** Decodes it all, for its length and channels. Rejects with what the decoder says of bytes that are no audio. */
export async function measureAudio(decode: AudioDecoder, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Pick<Upload, 'durationMs' | 'channels'>> {
  const { lanes } = await decode(bytes, { container: 'auto' }, signal);
  const ends = await Promise.all(
    lanes.map(async (lane) => {
      let endSample = 0;
      for await (const item of lane) endSample = item.startSample + (item.kind === 'pcm' ? item.samples.length : item.lengthSamples);
      return endSample;
    }),
  );
  const endSample = Math.max(0, ...ends);
  if (endSample === 0) throw new EarshotError('AUDIO_EMPTY', 'There is no audio in the file.');
  return { durationMs: Math.round(endSample / SAMPLES_PER_MS), channels: lanes.length };
}

const contextOf = (tenantId: string): string => `upload ${tenantId}`;
