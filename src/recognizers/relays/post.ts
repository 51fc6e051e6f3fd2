import type { Clock } from '../../core/clock.ts';
import { EarshotError } from '../../core/errors.ts';
import { lostError, misshapen, statusError, timeout } from './upstream-error.ts';

/** An answer of text alone is small, whatever was said. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

export interface Post {
  readonly relayId: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A form brings its own content type. */
  readonly body: FormData | string;
  /** Longest time until the whole answer is there, in ms. */
  readonly deadlineMs: number;
}

/**
 * Posts once and answers with the text of a successful response. Throws `BACKEND_TIMEOUT` after the deadline, `BACKEND_UNAVAILABLE`,
 * `BACKEND_RATE_LIMITED`, `BACKEND_ERROR` or `UPSTREAM_SHAPE_MISMATCH` (a redirect, an endless answer), and the signal's reason.
 * Redirects are not followed: the key would go along.
 */
export async function post({ relayId, url, headers, body, deadlineMs }: Post, clock: Clock, signal: AbortSignal): Promise<string> {
  const deadline = new AbortController();
  const cancel = clock.setTimer(deadlineMs, () => {
    deadline.abort(timeout(relayId, `its upstream has not answered within ${String(deadlineMs)} ms`));
  });
  try {
    const content = await encoded(body);
    const response = await fetch(url, { method: 'POST', headers: { ...headers, ...content.headers }, body: content.bytes, redirect: 'manual', signal: AbortSignal.any([signal, deadline.signal]) });
    if (!response.ok) {
      await response.body?.cancel().catch(() => undefined);
      throw statusError(relayId, response.status, response.headers.get('retry-after'));
    }
    return await textOf(response, relayId);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (deadline.signal.aborted) throw deadline.signal.reason;
    throw error instanceof EarshotError ? error : lostError(relayId, error);
  } finally {
    cancel();
  }
}

/**
 * A form as one piece of bytes: fetch makes a stream of a form, and the process dies of an error that nobody can catch when such an
 * upload is aborted (Node 26.10: "ReadableStream is already closed").
 */
async function encoded(body: FormData | string): Promise<{ readonly headers: Readonly<Record<string, string>>; readonly bytes: string | Uint8Array<ArrayBuffer> }> {
  if (typeof body === 'string') return { headers: {}, bytes: body };
  const form = new Response(body);
  return { headers: { 'content-type': form.headers.get('content-type') ?? '' }, bytes: new Uint8Array(await form.arrayBuffer()) };
}

async function textOf(response: Response, relayId: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > MAX_ANSWER_BYTES) throw misshapen(relayId, `its upstream's answer is longer than ${String(MAX_ANSWER_BYTES)} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
