import type { FastifySchema } from 'fastify';
import { audioPodSecret } from '../../signaling/dialects/audiopod.ts';
import { audioPodRefusal } from '../../signaling/dialects/audiopod-results.ts';
import type { RoutePermission } from './permissions.ts';
import { route } from './route-schema.ts';

/** The options of a route for AudioPod's clients: their key is where they put it, and errors have the vendor's shape. */
export function audioPodRoute<const T extends FastifySchema & { readonly summary: string }>(permission: RoutePermission, schema: T) {
  const { config, schema: described } = route(permission, { tag: 'AudioPod', ...schema });
  return { config: { ...config, credential: audioPodSecret, refuse: audioPodRefusal }, schema: described };
}
