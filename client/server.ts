import { isObject } from './frames.ts';
import { Problem, clientProblem } from './problem.ts';

const BASE_PATH = 'v1/modules/scaiecho/';

export interface ServerOptions {
  /** Where the server answers: `http://host:port`, or with a path in front of its own. */
  readonly url: string | URL;
  /** A key or token; a function is asked each time. Default: none, which a server on this machine lets in. */
  readonly key?: string | (() => string | undefined);
  /** Default: the one that is built in. */
  readonly WebSocket?: WebSocketClass;
}

/** The part of the standard's WebSocket that is used; `ws` has it too. */
export type WebSocketClass = new (url: string) => WebSocket;

export interface RequestOptions {
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly form?: FormData;
  readonly signal?: AbortSignal;
  /** Goes on when the page is left. */
  readonly keepalive?: boolean;
}

/** One Earshot server: requests to it, and the addresses of its sockets. */
export class Server {
  readonly WebSocket: WebSocketClass;
  readonly #base: URL;
  readonly #key: () => string | undefined;

  constructor({ url, key, WebSocket: given }: ServerOptions) {
    const root = new URL(url);
    if (!root.pathname.endsWith('/')) root.pathname += '/';
    this.#base = new URL(BASE_PATH, root);
    this.#key = typeof key === 'function' ? key : () => key;
    this.WebSocket = given ?? WebSocket;
  }

  /** Resolves with the envelope's `data`. Rejects with a {@link Problem}, or with the signal's reason. */
  async request(method: 'GET' | 'POST' | 'DELETE', path: string, options: RequestOptions = {}): Promise<unknown> {
    const response = await this.fetch(method, path, options);
    const envelope: unknown = await response.json().catch(() => undefined);
    return isObject(envelope) ? envelope['data'] : undefined;
  }

  /** The answer itself, if it is a good one. */
  async fetch(method: 'GET' | 'POST' | 'DELETE', path: string, options: RequestOptions = {}): Promise<Response> {
    const key = this.#key();
    const hasBody = 'body' in options;
    let response: Response;
    try {
      response = await fetch(new URL(path, this.#base), {
        method,
        headers: { ...(hasBody && { 'content-type': 'application/json' }), ...(key !== undefined && { authorization: `Bearer ${key}` }) },
        ...(hasBody && { body: JSON.stringify(options.body) }),
        ...(options.form && { body: options.form }),
        ...(options.signal && { signal: options.signal }),
        keepalive: options.keepalive ?? false,
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error instanceof TypeError ? clientProblem('SERVER_UNREACHABLE') : error;
    }
    if (!response.ok) throw problemOf(response, await response.json().catch(() => undefined));
    return response;
  }

  /**
   * The address of a WebSocket route, given as a path under the module or as the server wrote it. It is always asked where this server is: behind a proxy
   * it may know itself by another name, and the key goes nowhere else. The key travels in the query, because browsers cannot set headers here.
   */
  socketUrl(pathOrUrl: string, query: Readonly<Record<string, string>> = {}): string {
    const given = new URL(pathOrUrl, this.#base);
    const under = given.pathname.slice(given.pathname.indexOf(BASE_PATH) + BASE_PATH.length);
    const url = new URL(under + given.search, this.#base);
    url.protocol = this.#base.protocol === 'https:' ? 'wss:' : 'ws:';
    const key = this.#key();
    if (key !== undefined && !url.searchParams.has('token')) url.searchParams.set('token', key);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url.href;
  }

  /**
   * Why a socket never opened: browsers do not tell. A harmless request meets the same fate (a wrong key, no server),
   * or comes through, and then the fault was the socket's own.
   */
  async explainRefusedSocket(): Promise<Problem> {
    try {
      await this.request('DELETE', 'webrtc/sessions/none');
    } catch (error) {
      if (error instanceof Problem && (error.needsKey || error.code === 'SERVER_UNREACHABLE')) return error;
    }
    return clientProblem('CONNECTION_LOST');
  }
}

function problemOf(response: Response, envelope: unknown): Problem {
  const error = isObject(envelope) && isObject(envelope['error']) ? envelope['error'] : {};
  const code = typeof error['code'] === 'string' ? error['code'] : fallbackCode(response.status);
  const message = typeof error['message'] === 'string' ? error['message'] : `The server answered ${String(response.status)}.`;
  const header = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryAfter = typeof error['retry_after'] === 'number' ? error['retry_after'] : header;
  return new Problem(code, message, Number.isFinite(retryAfter) ? retryAfter : undefined);
}

function fallbackCode(status: number): string {
  if (status === 401) return 'AUTH_TOKEN_MISSING';
  return status === 502 || status === 504 ? 'SERVER_UNREACHABLE' : `HTTP_${String(status)}`;
}
