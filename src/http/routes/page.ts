import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import type { HttpServices } from '../services.ts';

const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "connect-src 'self' ws: wss:",
  "media-src 'self' blob:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** The page people see, as Vite built it. */
export async function pageRoutes(app: FastifyInstance, services: HttpServices): Promise<void> {
  await app.register(fastifyStatic, {
    root: services.pageDir,
    setHeaders: (reply) => {
      void reply.header('content-security-policy', CONTENT_SECURITY_POLICY);
      void reply.header('x-content-type-options', 'nosniff');
      void reply.header('permissions-policy', 'microphone=(self)');
    },
  });
}
