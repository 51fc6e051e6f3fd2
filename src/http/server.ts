import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { EarshotError, toEarshotError } from '../core/errors.ts';
import { errorBody, httpError } from './envelope.ts';
import { healthRoutes } from './routes/health.ts';
import { pageRoutes } from './routes/page.ts';
import { guardRoutes, requirePermission } from './permissions.ts';
import { matchSocketRoute, socketRoutes, type SocketRoute } from './routes/sockets.ts';
import { transcribeRoutes } from './routes/transcribe.ts';
import { webrtcRoutes } from './routes/webrtc.ts';
import { authenticate, type HttpServices, type Log } from './services.ts';

const MAX_JSON_BYTES = 256 * 1024;

/** All HTTP and WebSocket routes on one server. Nothing is listened on before `listen`. */
export async function createHttpServer(services: HttpServices): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: MAX_JSON_BYTES,
    genReqId: () => `req_${randomUUID()}`,
    forceCloseConnections: 'idle',
    // A proxy on this machine that ends TLS says so; others are not believed.
    trustProxy: 'loopback',
    routerOptions: { ignoreTrailingSlash: true },
  });
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply, services.log));
  app.setNotFoundHandler((request, reply) =>
    sendError(new EarshotError('NOT_FOUND', `No route ${request.method} ${pathOf(request.url)}.`), request, reply, services.log),
  );
  app.addHook('onSend', (request, reply, payload, done) => {
    void reply.header('x-request-id', request.id);
    done(null, payload);
  });
  await pageRoutes(app, services);
  guardRoutes(app, services);
  healthRoutes(app, services);
  await transcribeRoutes(app, services);
  webrtcRoutes(app, services);
  upgradeRoutes(app, services, socketRoutes(services));
  return app;
}

function sendError(thrown: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  const error = httpError(thrown);
  if (error.rule.httpStatus >= 500) {
    log.error({ requestId: request.id, code: error.code, err: error.cause ?? error }, 'request failed');
  }
  if (error.retryAfterSeconds !== undefined) void reply.header('retry-after', String(error.retryAfterSeconds));
  if (error.rule.httpStatus === 401) void reply.header('www-authenticate', 'Bearer');
  return reply.status(error.rule.httpStatus).send(errorBody(error, request.id));
}

/**
 * WebSocket upgrades do not pass through fastify's routes. What is refused before the upgrade is answered in plain HTTP,
 * with the same body as everywhere.
 */
function upgradeRoutes(app: FastifyInstance, services: HttpServices, routes: readonly SocketRoute[]): void {
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined);
    upgrade(request, socket, head).catch((thrown: unknown) => {
      refuseUpgrade(socket, toEarshotError(thrown));
    });
  });

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const url = URL.parse(request.url ?? '/', 'http://localhost');
    if (!url) throw new EarshotError('NOT_FOUND', 'The address cannot be parsed.');
    const [route, params] = matchSocketRoute(routes, url.pathname);
    const caller = await authenticate(services, request);
    requirePermission(caller, route.permission);
    const accepted = route.open({ caller, query: url.searchParams, params });
    services.webSockets.accept(request, socket, head, (connection) => {
      accepted(connection).catch((error: unknown) => {
        services.log.error({ err: error }, 'socket handler failed');
        connection.close(1011, 'INTERNAL');
      });
    });
  }
}

function refuseUpgrade(socket: Duplex, error: EarshotError): void {
  const body = JSON.stringify(errorBody(error, `req_${randomUUID()}`));
  const head = [
    `HTTP/1.1 ${String(error.rule.httpStatus)} ${error.code}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${String(Buffer.byteLength(body))}`,
    ...(error.retryAfterSeconds === undefined ? [] : [`retry-after: ${String(error.retryAfterSeconds)}`]),
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

const pathOf = (url: string): string => url.split('?')[0] ?? url;
