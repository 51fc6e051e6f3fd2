import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { invalid } from '../../signaling/dialects/fields.ts';
import { EarshotError } from '../core/errors.ts';
import type { JobRecord, JobRequest } from '../core/store/jobs.ts';
import { requirePermission } from './permissions.ts';
import { fileTooLarge, MeasuredBytes } from './measured-bytes.ts';
import type { Recording } from './recognize-upload.ts';
import type { Routes } from './route-schema.ts';
import type { HttpServices } from './services.ts';

/** Within, a body that is not JSON reaches the handler unread, as a stream. */
export async function withStreamedBodies(app: Routes, addRoutes: (scope: Routes) => void): Promise<void> {
  await app.register((scope, _options, done) => {
    scope.addContentTypeParser('*', (_request, payload, taken) => {
      taken(null, payload);
    });
    addRoutes(scope);
    done();
  });
}

/** The query as it was sent: parameters may be repeated. */
export const queryOf = (request: FastifyRequest): URLSearchParams => new URLSearchParams(request.raw.url?.split('?')[1] ?? '');

/** Vendors name requests with a bare UUID; so are jobs named to them. */
export const bareId = (id: string): string => id.replace(/^(req|job)_/, '');

/** Documents the refusals of a vendor's route: one shape for every status. */
export function refusals<T extends z.ZodType>(shape: T): Record<number, T> {
  const statuses = [400, 401, 402, 403, 404, 408, 409, 410, 413, 429, 500, 502, 503, 504];
  return Object.fromEntries(statuses.map((status) => [status, shape]));
}

/** Where the audio of a request is: in its body, or at an address that a JSON body names. */
export type SentAudio = { readonly kind: 'body'; readonly bytes: AsyncIterable<Uint8Array> } | { readonly kind: 'url'; readonly url: string };

/** Throws `AUDIO_EMPTY` where there is neither, `AUDIO_TOO_LARGE` early where that is known, and `VALIDATION_ERROR` for an address that is not allowed. */
export function sentAudio(services: HttpServices, request: FastifyRequest): SentAudio {
  const { body } = request;
  if (Number(request.headers['content-length'] ?? 0) > services.maxUploadBytes) throw fileTooLarge(services.maxUploadBytes);
  if (body instanceof Readable) return { kind: 'body', bytes: uploadOf(body) };
  const url = typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>)['url'] : undefined;
  if (typeof url !== 'string' || url === '') throw new EarshotError('AUDIO_EMPTY', 'Send the bytes of the audio, or JSON with its "url".');
  checkAddress(services, 'url', url);
  return { kind: 'url', url };
}

export function checkAddress(services: HttpServices, field: string, address: string): void {
  const refusal = services.jobs.addressRefusal(address);
  if (refusal !== undefined) throw invalid([{ field, message: refusal }]);
}

/** For an answer in the same response. */
export function recordingOf(services: HttpServices, audio: SentAudio, format: Recording['format']): Recording {
  return {
    ...(format && { format }),
    maxBytes: services.maxUploadBytes,
    open: async (signal) => (audio.kind === 'body' ? audio.bytes : services.jobs.openUrl(audio.url, services.maxUploadBytes, signal)),
  };
}

/** For an answer to a callback: the job is on the disk when this resolves. `sha256` of an upload goes with the job's `extra`. */
export async function queueRecording(services: HttpServices, request: FastifyRequest, audio: SentAudio, wish: JobRequest): Promise<JobRecord> {
  const { caller } = request;
  const { jobs, blobs, maxUploadBytes } = services;
  if (wish.diarize === true) requirePermission(caller, 'scaiecho:diarize');
  await jobs.checkRoom(caller);
  if (audio.kind === 'url') return jobs.submit(caller, audio, wish);
  const measured = new MeasuredBytes(audio.bytes, maxUploadBytes);
  const { name: blob, bytes } = await blobs.write(measured, { maxBytes: maxUploadBytes });
  if (bytes === 0) {
    await blobs.delete(blob);
    throw new EarshotError('AUDIO_EMPTY', 'There is no audio in the request.');
  }
  return jobs.submit(caller, { kind: 'upload', blob, bytes }, { ...wish, extra: { ...wish.extra, sha256: measured.sha256 } });
}

/** The body of an upload; one that breaks off is the client's doing. */
async function* uploadOf(body: Readable): AsyncGenerator<Uint8Array, void, void> {
  try {
    // Who stops reading still has an answer to send, on the same connection.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
  } catch (error) {
    throw error instanceof EarshotError ? error : new EarshotError('MESSAGE_MALFORMED', 'The upload broke off.', { cause: error });
  }
}
