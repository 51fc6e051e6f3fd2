import { EarshotError } from '../core/errors.ts';
import type { Outbound } from '../outbound/outbound.ts';
import type { JobAudio } from './run-job.ts';

const MAX_REDIRECTS = 5;

/**
 * Opens an address that a client named, as a stream. Rejects, or ends the stream, with `URL_NOT_ALLOWED`, `URL_NOT_FOUND` (4xx),
 * `URL_UNREACHABLE` (no connection, 5xx, too many requests, silence) or `AUDIO_TOO_LARGE`.
 */
export async function openUrl(outbound: Outbound, url: string, maxBytes: number, signal: AbortSignal): Promise<JobAudio> {
  const answer = await outbound.request(url, { method: 'GET', signal, maxRedirects: MAX_REDIRECTS });
  const declared = Number(answer.headers['content-length']);
  const refusal = refusalOf(answer.status) ?? (declared > maxBytes ? tooLarge(maxBytes) : undefined);
  if (refusal) {
    answer.discard();
    throw refusal;
  }
  return { bytes: bounded(answer.body, maxBytes), totalBytes: Number.isFinite(declared) ? declared : undefined };
}

function refusalOf(status: number): EarshotError | undefined {
  if (status >= 200 && status < 300) return undefined;
  const said = `The address answered with status ${String(status)}.`;
  const isFinal = status >= 300 && status < 500 && status !== 408 && status !== 425 && status !== 429;
  return new EarshotError(isFinal ? 'URL_NOT_FOUND' : 'URL_UNREACHABLE', said);
}

async function* bounded(bytes: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array, void, void> {
  let read = 0;
  for await (const chunk of bytes) {
    read += chunk.length;
    if (read > maxBytes) throw tooLarge(maxBytes);
    yield chunk;
  }
}

function tooLarge(maxBytes: number): EarshotError {
  return new EarshotError('AUDIO_TOO_LARGE', `The file at the address has more than ${String(maxBytes)} bytes.`);
}
