import type { FastifyInstance, RouteOptions } from 'fastify';
import { EarshotError } from '../core/errors.ts';
import type { Permission, Principal } from '../core/principal.ts';
import { authenticate, type HttpServices } from './services.ts';

/** What a route asks of its caller: a permission, any valid key, or nothing. */
export type RoutePermission = Permission | 'any' | 'public';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route says it; one that does not cannot be registered. */
    permission?: RoutePermission;
  }
  interface FastifyRequest {
    /** Who is asking; not there on public routes. */
    caller: Principal;
  }
}

/** Lets a caller through, or throws `AUTH_INSUFFICIENT_SCOPE`. */
export function requirePermission(caller: Principal, permission: RoutePermission): void {
  if (permission === 'public' || permission === 'any' || caller.permissions.has(permission)) return;
  throw new EarshotError('AUTH_INSUFFICIENT_SCOPE', `This needs the permission ${permission}.`);
}

/** A route as the permission tests and the documentation see it. */
export interface ListedRoute {
  readonly method: string;
  readonly path: string;
  readonly permission: RoutePermission;
}

/** From here on every route of the server is checked before its body is read, and listed. */
export function guardRoutes(app: FastifyInstance, services: HttpServices): readonly ListedRoute[] {
  const listed: ListedRoute[] = [];
  app.addHook('onRoute', (route: RouteOptions) => {
    const permission = route.config?.permission;
    if (permission === undefined) throw new Error(`${String(route.method)} ${route.url} does not say which permission it needs`);
    for (const method of [route.method].flat()) {
      if (method !== 'HEAD') listed.push({ method, path: route.url, permission });
    }
  });
  app.addHook('onRequest', async (request) => {
    // Of an unknown route nothing is said but that it is unknown.
    const permission = request.is404 ? 'public' : (request.routeOptions.config.permission ?? 'public');
    if (permission === 'public') return;
    request.caller = await authenticate(services, request.raw);
    requirePermission(request.caller, permission);
  });
  return listed;
}
