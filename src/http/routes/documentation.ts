import { z } from 'zod';
import { openApiDocument, type OpenApiDocument } from '../openapi.ts';
import type { ListedRoute } from '../permissions.ts';
import { referencePage } from '../reference-page.ts';
import { route, type Routes } from '../route-schema.ts';
import type { SocketRoute } from '../upgrades.ts';

const OPENAPI = route('public', { tag: 'Server', summary: 'This description of the API', response: { 200: z.looseObject({ openapi: z.literal('3.1.0') }) } });

const REFERENCE = route('public', { tag: 'Server', summary: 'This description of the API, to read', response: { 200: z.string() }, texts: ['text/html'] });

/** What the API is, for programs and for people. `routes` may still grow until the server listens. */
export function documentationRoutes(app: Routes, routes: readonly ListedRoute[], sockets: readonly SocketRoute[]): void {
  let written: OpenApiDocument | undefined;
  const document = (): OpenApiDocument => (written ??= openApiDocument(routes, sockets));

  app.get('/openapi.json', OPENAPI, document);

  app.get('/docs', REFERENCE, (_request, reply) => {
    void reply.type('text/html; charset=utf-8').header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    return referencePage(document());
  });
}
