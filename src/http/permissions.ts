import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify';
import { EarshotError } from '../core/errors.ts';
import type { HttpRefusal } from '../../signaling/dialects/dialect.ts';
import type { Permission, Principal } from '../core/principal.ts';
import { credentialsOf, type ReadSecret } from './credentials.ts';
import type { HttpServices } from './services.ts';

/**
 * What a route asks of its caller: a permission, any valid key, or nothing. `view` reads one session: whoever may transcribe may, and the token
 * that was made for that session, which gets in nowhere else.
 */
export type RoutePermission = Permission | 'view' | 'any' | 'public';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route says it; one that does not cannot be registered. */
    permission?: RoutePermission;
    /** Where the route's clients put their secret. Default: `Authorization: Bearer` or `?token=`. */
    credential?: ReadSecret;
    /** How the protocol of the route's clients refuses. Default: the native envelope. */
    refuse?: (error: EarshotError, requestId: string) => HttpRefusal;
  }
  interface FastifyRequest {
    /** Who is asking; not there on public routes. */
    caller: Principal;
  }
}

/** Lets a caller through, or throws `AUTH_INSUFFICIENT_SCOPE`. */
export function requirePermission(caller: Principal, permission: RoutePermission): void {
  const onlyReads = caller.token?.sessionId !== undefined;
  if (permission === 'public' || (permission === 'any' && !onlyReads) || (permission === 'view' && onlyReads)) return;
  if (permission === 'any') throw new EarshotError('AUTH_INSUFFICIENT_SCOPE', 'The token is for reading one session.');
  const needed = permission === 'view' ? 'scaiecho:transcribe' : permission;
  if (!caller.permissions.has(needed)) throw new EarshotError('AUTH_INSUFFICIENT_SCOPE', `This needs the permission ${needed}.`);
}

/** A route as the permission tests and the documentation see it. */
export interface ListedRoute {
  readonly method: string;
  readonly path: string;
  readonly permission: RoutePermission;
  readonly schema: FastifySchema;
}

/** From here on every route of the server is checked before its body is read, and listed with what it says of itself. */
export function guardRoutes(app: FastifyInstance, services: HttpServices): readonly ListedRoute[] {
  const listed: ListedRoute[] = [];
  app.addHook('onRoute', (route: RouteOptions) => {
    const { method: methods, url: path, schema = {}, config: { permission } = {} } = route;
    if (permission === undefined) throw new Error(`${String(methods)} ${path} does not say which permission it needs`);
    if (schema.summary === undefined) throw new Error(`${String(methods)} ${path} does not say what it does`);
    for (const method of [methods].flat()) {
      if (method !== 'HEAD') listed.push({ method, path, permission, schema });
    }
  });
  app.addHook('onRequest', async (request) => {
    // Of an unknown route nothing is said but that it is unknown.
    const { permission = 'public', credential } = request.is404 ? {} : request.routeOptions.config;
    if (permission === 'public') return;
    request.caller = await services.tenancy.access.authenticate(credentialsOf(request.raw, credential));
    requirePermission(request.caller, permission);
  });
  return listed;
}
