import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Server as TlsServer } from 'node:tls';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { EarshotError } from '../core/errors.ts';
import type { CertificateSource } from './certificate.ts';
import { errorBody, httpError } from './envelope.ts';
import { answerRaw } from './raw-answer.ts';
import { deepgramRoutes } from './routes/deepgram.ts';
import { audioPodRoutes } from './routes/audiopod.ts';
import { documentationRoutes } from './routes/documentation.ts';
import { gladiaRoutes, gladiaSocket } from './routes/gladia.ts';
import { healthRoutes } from './routes/health.ts';
import { jobRoutes } from './routes/jobs.ts';
import { keyRoutes } from './routes/keys.ts';
import { mcpRoutes } from './routes/mcp.ts';
import { openAiRoutes } from './routes/openai.ts';
import { openaiCallRoutes } from './routes/openai-calls.ts';
import { openaiSecretRoutes } from './routes/openai-secrets.ts';
import { pageRoutes } from './routes/page.ts';
import { pulseRoutes } from './routes/pulse.ts';
import { guardRoutes } from './permissions.ts';
import { type Routes, withZod } from './route-schema.ts';
import { socketRoutes } from './routes/sockets.ts';
import { speakerRoutes } from './routes/speakers.ts';
import { tenantPolicyRoutes } from './routes/tenant-policy.ts';
import { tenantSecretRoutes } from './routes/tenant-secrets.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { transcribeRoutes } from './routes/transcribe.ts';
import { usageRoutes } from './routes/usage.ts';
import { captionSegmentRoutes } from './routes/caption-segments.ts';
import { viewerRoutes, viewerSocket } from './routes/viewers.ts';
import { webhookSecretRoutes } from './routes/webhook-secret.ts';
import { webrtcRoutes } from './routes/webrtc.ts';
import { whipRoutes } from './routes/whip.ts';
import { type HttpServices, type Log } from './services.ts';
import { acceptUpgrades } from './upgrades.ts';
import { ViewerFrames } from './viewer-frames.ts';

const MAX_JSON_BYTES = 256 * 1024;
const CERTIFICATE_CHECK_MS = 6 * 3_600_000;

/** All HTTP and WebSocket routes on one server. Nothing is listened on before `listen`. Rejects where there is no certificate to be had. */
export async function createHttpServer(services: HttpServices): Promise<Routes> {
  const app = withZod(fastify({
    ...(services.certificate && { https: await services.certificate() }),
    bodyLimit: MAX_JSON_BYTES,
    genReqId: () => `req_${randomUUID()}`,
    forceCloseConnections: 'idle',
    // A proxy on this machine that ends TLS says so; others are not believed.
    trustProxy: 'loopback',
    routerOptions: { ignoreTrailingSlash: true },
    frameworkErrors: (error, request, reply) => {
      void sendError(error, request, reply, services.log);
    },
    clientErrorHandler: refuseConnection,
  }));
  if (services.certificate) keepCertificate(app, services.certificate, services.log);
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply, services.log));
  app.setNotFoundHandler((request, reply) =>
    sendError(new EarshotError('NOT_FOUND', `No route ${request.method} ${pathOf(request.url)}.`), request, reply, services.log),
  );
  app.addHook('onSend', (request, reply, payload, done) => {
    void reply.header('x-request-id', request.id);
    done(null, payload);
  });
  await pageRoutes(app, services);
  const routes = guardRoutes(app, services);
  const frames = new ViewerFrames();
  const sockets = [...socketRoutes(services), viewerSocket(services, frames), gladiaSocket(services)];
  documentationRoutes(app, routes, sockets);
  healthRoutes(app, services);
  await transcribeRoutes(app, services);
  jobRoutes(app, services);
  webhookSecretRoutes(app, services);
  openAiRoutes(app, services);
  audioPodRoutes(app, services);
  mcpRoutes(app, services);
  webrtcRoutes(app, services);
  await whipRoutes(app, services, frames);
  viewerRoutes(app, services, frames);
  captionSegmentRoutes(app, services);
  keyRoutes(app, services);
  tokenRoutes(app, services);
  openaiSecretRoutes(app, services);
  openaiCallRoutes(app, services);
  tenantPolicyRoutes(app, services);
  tenantSecretRoutes(app, services);
  usageRoutes(app, services);
  speakerRoutes(app, services);
  await deepgramRoutes(app, services);
  await pulseRoutes(app, services);
  gladiaRoutes(app, services);
  acceptUpgrades(app.server, services, sockets);
  return app;
}

/** A renewed certificate is for connections from then on. */
function keepCertificate(app: Routes, certificate: CertificateSource, log: Log): void {
  const server = app.server as unknown as TlsServer;
  const timer = setInterval(() => {
    certificate().then(
      (renewed) => {
        server.setSecureContext(renewed);
      },
      (err: unknown) => {
        log.error({ err }, 'the certificate cannot be read again; the one from before stays');
      },
    );
  }, CERTIFICATE_CHECK_MS);
  app.addHook('onClose', (_app, done) => {
    clearInterval(timer);
    done();
  });
}

/** Bytes that are no HTTP. */
function refuseConnection(cause: NodeJS.ErrnoException, socket: Duplex): void {
  if (cause.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const error =
    cause.code === 'HPE_HEADER_OVERFLOW'
      ? new EarshotError('MESSAGE_TOO_LARGE', 'The head of the request is too large.')
      : new EarshotError('MESSAGE_MALFORMED', 'This is not HTTP, or it did not come in time.');
  answerRaw(socket, { status: error.rule.httpStatus, headers: {}, body: errorBody(error, `req_${randomUUID()}`) });
}

function sendError(thrown: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  const error = httpError(thrown);
  if (error.rule.httpStatus >= 500) {
    log.error({ requestId: request.id, code: error.code, err: error.cause ?? error }, 'request failed');
  }
  if (error.retryAfterSeconds !== undefined) void reply.header('retry-after', String(error.retryAfterSeconds));
  if (error.rule.httpStatus === 401) void reply.header('www-authenticate', 'Bearer');
  const { refuse } = request.is404 ? {} : request.routeOptions.config;
  if (!refuse) return reply.status(error.rule.httpStatus).send(errorBody(error, request.id));
  const { status, headers, body } = refuse(error, request.id);
  return reply.status(status).headers(headers).send(body);
}

const pathOf = (url: string): string => url.split('?')[0] ?? url;
