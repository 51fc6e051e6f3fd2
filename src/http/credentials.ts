import type { IncomingHttpHeaders } from 'node:http';
import { authorization } from '../../signaling/dialects/fields.ts';
import type { Credentials } from '../tenancy/access.ts';

/** The parts of a request in which a key can be. */
export interface KeyedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly query: URLSearchParams;
  /** `Sec-WebSocket-Protocol`, in the client's order. */
  readonly protocols: readonly string[];
}

/** The secret that a client of some protocol shows, wherever that puts it; undefined where it shows none. */
export type ReadSecret = (request: KeyedRequest) => string | undefined;

/** The part of `IncomingMessage` that is looked at. */
interface ShownRequest {
  readonly headers: IncomingHttpHeaders;
  readonly url?: string | undefined;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** What a request shows of itself. `readSecret` defaults to the native places: `Authorization: Bearer`, then `?token=`. */
export function credentialsOf(request: ShownRequest, readSecret: ReadSecret = nativeSecret): Credentials {
  const { headers } = request;
  const query = URL.parse(request.url ?? '/', 'http://localhost')?.searchParams ?? new URLSearchParams();
  const secret = readSecret({ headers, query, protocols: offeredProtocols(headers) });
  return { secret, host: headers.host, origin: headers.origin, address: clientAddress(request) };
}

export function offeredProtocols(headers: IncomingHttpHeaders): string[] {
  return headers['sec-websocket-protocol']?.split(',').map((protocol) => protocol.trim()) ?? [];
}

const nativeSecret: ReadSecret = ({ headers, query }) => authorization(headers, 'Bearer') ?? query.get('token') ?? undefined;

/** Whom failed logins are counted under: a proxy on this machine speaks for others, and names last whom it met. */
function clientAddress(request: ShownRequest): string {
  const peer = request.socket.remoteAddress ?? '';
  if (!/^(::1|(::ffff:)?127\.)/.test(peer)) return peer;
  return [request.headers['x-forwarded-for']].flat().at(-1)?.split(',').at(-1)?.trim() ?? peer;
}
