import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifySchema } from 'fastify';
import type { Connection } from '../../signaling/connection.ts';
import type { DialectAddress, HttpRefusal } from '../../signaling/dialects/dialect.ts';
import type { Greeting } from '../../signaling/transports/websocket.ts';
import { EarshotError, toEarshotError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import { credentialsOf, offeredProtocols } from './credentials.ts';
import { errorBody } from './envelope.ts';
import { answerRaw } from './raw-answer.ts';
import { requirePermission, type RoutePermission } from './permissions.ts';
import type { HttpServices } from './services.ts';

/** What an upgrade request brings. */
export interface SocketRequest extends DialectAddress {
  readonly caller: Principal;
}

/** A connection that will be served once its handshake is done. */
export interface AcceptedSocket {
  readonly greeting?: Greeting;
  readonly serve: (connection: Connection) => Promise<void>;
  /** The handshake never was completed. */
  readonly abandon?: () => void;
}

/** A path that is upgraded. `open` runs before the upgrade and may still refuse it by throwing. */
export interface SocketRoute {
  /** With `:name` for a part that varies. */
  readonly path: string;
  readonly permission: RoutePermission;
  /** For the documentation. The query is not checked by it: `open` does that. */
  readonly schema: FastifySchema & { readonly summary: string };
  /** Who is asking, where the address says it without a key; throws what refuses it. */
  readonly callerOf?: (address: DialectAddress) => Principal;
  /** Where the client's secret is. Default: `Authorization: Bearer` or `?token=`. */
  readonly credential?: (address: DialectAddress) => string | undefined;
  /** Default: the native envelope. */
  readonly refuse?: (error: EarshotError, requestId: string) => HttpRefusal;
  readonly open: (request: SocketRequest) => AcceptedSocket | Promise<AcceptedSocket>;
}

/**
 * WebSocket upgrades do not pass through fastify's routes. What is refused before the upgrade is answered in plain HTTP,
 * in the shape of the route's protocol.
 */
export function acceptUpgrades(server: Server, services: HttpServices, routes: readonly SocketRoute[]): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined);
    const requestId = randomUUID();
    let refuse = refusal;
    const take = async (): Promise<void> => {
      const url = URL.parse(request.url ?? '/', 'http://localhost');
      if (!url) throw new EarshotError('NOT_FOUND', 'The address cannot be parsed.');
      const [route, params] = matchSocketRoute(routes, url.pathname);
      refuse = route.refuse ?? refusal;
      const address = { path: route.path, params, query: url.searchParams, headers: request.headers, protocols: offeredProtocols(request.headers), requestId };
      const readSecret = route.credential && (() => route.credential?.(address));
      const caller = route.callerOf?.(address) ?? (await services.tenancy.access.authenticate(credentialsOf(request, readSecret)));
      requirePermission(caller, route.permission);
      upgrade(services, { request, socket, head }, await route.open({ ...address, caller }));
    };
    take().catch((thrown: unknown) => {
      answerRaw(socket, refuse(toEarshotError(thrown), requestId));
    });
  });
}

interface Handshake {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

function upgrade(services: HttpServices, { request, socket, head }: Handshake, accepted: AcceptedSocket): void {
  let connected = false;
  socket.once('close', () => {
    if (!connected) accepted.abandon?.();
  });
  if (socket.destroyed) {
    accepted.abandon?.();
    return;
  }
  services.webSockets.accept(
    request,
    socket,
    head,
    (connection) => {
      connected = true;
      accepted.serve(connection).catch((error: unknown) => {
        services.log.error({ err: error }, 'socket handler failed');
        connection.close(1011, 'INTERNAL');
      });
    },
    accepted.greeting,
  );
}

function refusal(error: EarshotError, requestId: string): HttpRefusal {
  return {
    status: error.rule.httpStatus,
    headers: error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) },
    body: errorBody(error, `req_${requestId}`),
  };
}

/** The route of a path and the path's named parts. Throws `NOT_FOUND`. */
function matchSocketRoute(routes: readonly SocketRoute[], path: string): [SocketRoute, Record<string, string>] {
  const parts = path.replace(/\/$/, '').split('/');
  for (const route of routes) {
    const params = matchPath(route.path.split('/'), parts);
    if (params) return [route, params];
  }
  throw new EarshotError('NOT_FOUND', `No WebSocket at ${path}.`);
}

function matchPath(pattern: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, expected] of pattern.entries()) {
    const part = parts[index] ?? '';
    if (expected.startsWith(':') && part !== '') params[expected.slice(1)] = part;
    else if (expected !== part) return undefined;
  }
  return params;
}
