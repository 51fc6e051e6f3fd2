import { z } from 'zod';
import { openApiDocument } from '../openapi.ts';
import type { ListedRoute } from '../permissions.ts';
import { route, type Routes } from '../route-schema.ts';
import type { SocketRoute } from '../upgrades.ts';

const OPENAPI = route('public', { tag: 'Server', summary: 'This description of the API', response: { 200: z.looseObject({ openapi: z.literal('3.1.0') }) } });

/** What the API is, for programs. `routes` may still grow until the server listens. */
export function documentationRoutes(app: Routes, routes: readonly ListedRoute[], sockets: readonly SocketRoute[]): void {
  let written: object | undefined;
  app.get('/openapi.json', OPENAPI, () => (written ??= openApiDocument(routes, sockets)));
}
