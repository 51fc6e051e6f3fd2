import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { Clock } from '../../core/clock.ts';
import { EarshotError } from '../../core/errors.ts';

export interface DownloadOptions {
  readonly clock: Clock;
  /** Told as bytes arrive; the total where the server says it. */
  readonly onProgress?: (bytes: number, totalBytes: number | undefined) => void;
  /** Default 8 GiB. */
  readonly maxBytes?: number;
  /** Longest time without a byte, in ms. Default 30 s. */
  readonly maxSilenceMs?: number;
  /** Further tries after the first, each of which goes on where the one before broke off. Default 4. */
  readonly retries?: number;
}

const MAX_BYTES = 8 * 2 ** 30;
const MAX_SILENCE_MS = 30_000;
const RETRIES = 4;
const FIRST_PAUSE_MS = 500;
/** Answers after which another try may help. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What a try ended with that may be tried again. */
class Passing extends Error {}

/**
 * Fetches `url` into the file `path`. What a try that broke off has left there is kept and gone on with, by this call or a later one, as
 * long as the server says that it is still the same file; `path.etag` remembers which. Throws `URL_NOT_ALLOWED` for what is no
 * address, `URL_NOT_FOUND` for a refusal, `VALIDATION_ERROR` for too many bytes, and `URL_UNREACHABLE` when all tries broke off.
 */
export async function download(url: string, path: string, options: DownloadOptions): Promise<void> {
  const { clock, retries = RETRIES } = options;
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new EarshotError('URL_NOT_ALLOWED', `${url} is not an address of http or https.`);
  }
  for (let attempt = 0; ; attempt += 1) {
    try {
      await fetchRest(url, path, options);
      await rm(`${path}.etag`, { force: true });
      return;
    } catch (error) {
      if (error instanceof EarshotError) throw error;
      if (attempt >= retries) {
        throw new EarshotError('URL_UNREACHABLE', `${url} could not be fetched: ${reasonOf(error)}. Another call goes on where this one broke off.`, { cause: error });
      }
      await new Promise<void>((resolve) => clock.setTimer(FIRST_PAUSE_MS * 2 ** attempt, resolve));
    }
  }
}

async function fetchRest(url: string, path: string, options: DownloadOptions): Promise<void> {
  const { clock, onProgress, maxBytes = MAX_BYTES, maxSilenceMs = MAX_SILENCE_MS } = options;
  const silence = new AbortController();
  let cancelTimer = (): void => undefined;
  const heard = (): void => {
    cancelTimer();
    cancelTimer = clock.setTimer(maxSilenceMs, () => {
      silence.abort(new Passing('no bytes came for too long'));
    });
  };
  try {
    heard();
    const present = await stat(path).then(({ size }) => size, () => 0);
    const etag = await readFile(`${path}.etag`, 'utf8').catch(() => undefined);
    // Without a name for what is there nobody can say that the rest belongs to it.
    const from = etag === undefined ? 0 : present;
    const headers: Record<string, string> = { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${String(from)}-`, 'if-range': etag ?? '' }) };
    const response = await fetch(url, { headers, signal: silence.signal });
    const start = await startOf(response, url, path, from);
    if (start === undefined) return;
    const tag = response.headers.get('etag');
    if (tag !== null && !tag.startsWith('W/')) await writeFile(`${path}.etag`, tag);
    const length = response.headers.get('content-length');
    const totalBytes = length === null ? undefined : start + Number(length);
    if (totalBytes !== undefined && totalBytes > maxBytes) throw tooLarge(url, maxBytes);
    let bytes = start;
    const file = await open(path, start > 0 ? 'r+' : 'w');
    try {
      await file.truncate(start);
      for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        heard();
        if (bytes + chunk.length > maxBytes) throw tooLarge(url, maxBytes);
        await file.write(chunk, 0, chunk.length, bytes);
        bytes += chunk.length;
        onProgress?.(bytes, totalBytes);
      }
    } finally {
      await file.close();
    }
    if (totalBytes !== undefined && bytes < totalBytes) throw new Passing('it broke off');
  } finally {
    cancelTimer();
  }
}

/** Where the body begins in the file; undefined if the file is complete already. */
async function startOf(response: Response, url: string, path: string, from: number): Promise<number | undefined> {
  if (response.status === 200) return 0;
  if (response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${String(from)}-`)) return from;
  await response.body?.cancel();
  if (response.status === 416) {
    if (response.headers.get('content-range') === `bytes */${String(from)}`) return undefined;
    await rm(path, { force: true });
    await rm(`${path}.etag`, { force: true });
    throw new Passing('the file has changed');
  }
  if (PASSING.has(response.status)) throw new Passing(`the server answers ${String(response.status)}`);
  throw new EarshotError('URL_NOT_FOUND', `${url} answers ${String(response.status)}.`);
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

const tooLarge = (url: string, maxBytes: number): EarshotError => new EarshotError('VALIDATION_ERROR', `${url} is larger than ${String(maxBytes)} bytes.`);
