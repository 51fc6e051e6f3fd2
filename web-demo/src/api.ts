import { apiKey } from './api-key.ts';
import { Problem, pageProblem } from './problem.ts';
import { isObject } from './wire.ts';

const BASE_PATH = '/v1/modules/scaiecho/';

/** A request to the module; resolves with the envelope's `data`. Rejects with a {@link Problem}. */
export async function request(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  options: { readonly body?: unknown; readonly signal?: AbortSignal; readonly keepalive?: boolean } = {},
): Promise<unknown> {
  const key = apiKey();
  const hasBody = 'body' in options;
  let response: Response;
  try {
    response = await fetch(BASE_PATH + path, {
      method,
      headers: { ...(hasBody && { 'content-type': 'application/json' }), ...(key !== undefined && { authorization: `Bearer ${key}` }) },
      ...(hasBody && { body: JSON.stringify(options.body) }),
      ...(options.signal && { signal: options.signal }),
      keepalive: options.keepalive ?? false,
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error instanceof TypeError ? pageProblem('SERVER_UNREACHABLE') : error;
  }
  const envelope: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw problemOf(response, envelope);
  return isObject(envelope) ? envelope['data'] : undefined;
}

/**
 * The address of a WebSocket route, given as a path under the module or as the server wrote it. It is always asked at this
 * page's own origin: behind a proxy the server may know itself by another name, and the key goes nowhere else.
 * The key travels in the query, because browsers cannot set headers here.
 */
export function socketUrl(pathOrUrl: string, query: Readonly<Record<string, string>> = {}): string {
  const { pathname, search } = new URL(pathOrUrl, new URL(BASE_PATH, location.href));
  const url = new URL(pathname + search, location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const key = apiKey();
  if (key !== undefined) url.searchParams.set('token', key);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

/**
 * Why a socket never opened: browsers do not tell. A harmless request meets the same fate (a wrong key, no server),
 * or comes through, and then the fault was the socket's own.
 */
export async function explainRefusedSocket(): Promise<Problem> {
  try {
    await request('DELETE', 'webrtc/sessions/none');
  } catch (error) {
    if (error instanceof Problem && (error.needsKey || error.code === 'SERVER_UNREACHABLE')) return error;
  }
  return pageProblem('CONNECTION_LOST');
}

function problemOf(response: Response, envelope: unknown): Problem {
  const error = isObject(envelope) && isObject(envelope['error']) ? envelope['error'] : {};
  const code = typeof error['code'] === 'string' ? error['code'] : fallbackCode(response.status);
  const message = typeof error['message'] === 'string' ? error['message'] : `The server answered ${response.status}.`;
  const header = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryAfter = typeof error['retry_after'] === 'number' ? error['retry_after'] : header;
  return new Problem(code, message, Number.isFinite(retryAfter) ? retryAfter : undefined);
}

function fallbackCode(status: number): string {
  if (status === 401) return 'AUTH_TOKEN_MISSING';
  return status === 502 || status === 504 ? 'SERVER_UNREACHABLE' : `HTTP_${status}`;
}
