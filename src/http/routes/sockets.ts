import { z } from 'zod';
import type { Connection } from '../../../signaling/connection.ts';
import { ScaiEchoConversation } from '../../../signaling/dialects/scaiecho.ts';
import { serveControl, serveStream } from '../../../signaling/gateway.ts';
import { EarshotError } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { RoutePermission } from '../permissions.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';

/** What an upgrade request brings. */
export interface SocketRequest {
  readonly caller: Principal;
  readonly query: URLSearchParams;
  /** The named parts of the path. */
  readonly params: Readonly<Record<string, string>>;
}

/** A path that is upgraded. `open` runs before the upgrade and may still refuse it by throwing. */
export interface SocketRoute {
  /** With `:name` for a part that varies. */
  readonly path: string;
  readonly permission: RoutePermission;
  readonly open: (request: SocketRequest) => (connection: Connection) => Promise<void>;
}

const afterSeqSchema = z.coerce.number().int().min(0);

export function socketRoutes(services: HttpServices): SocketRoute[] {
  return [
    {
      path: `${NATIVE_BASE}/stream/transcribe`,
      permission: 'scaiecho:transcribe',
      open:
        ({ caller }) =>
        (connection) =>
          serveStream(connection, new ScaiEchoConversation(), {
            openSession: (request) => services.openSession(caller, { ...request, transport: 'websocket', priority: 'live' }),
            decode: services.decode,
            observe: services.stages.observe,
            onFault: (error) => {
              if (error.rule.httpStatus >= 500) services.log.warn({ code: error.code, err: error.cause }, 'stream failed');
            },
          }),
    },
    {
      path: `${NATIVE_BASE}/webrtc/sessions/:id/control`,
      permission: 'scaiecho:transcribe',
      open: ({ caller, query, params }) => {
        const session = services.webrtc.find(params['id'] ?? '', caller.tenantId);
        const afterSeq = parseAfterSeq(query.get('after_seq'));
        return (connection) => serveControl(connection, new ScaiEchoConversation({ controlOnly: true }), session, afterSeq);
      },
    },
  ];
}

/** The route of a path and the path's named parts. Throws `NOT_FOUND`. */
export function matchSocketRoute(routes: readonly SocketRoute[], path: string): [SocketRoute, Record<string, string>] {
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

function parseAfterSeq(value: string | null): number {
  const parsed = afterSeqSchema.safeParse(value ?? 0);
  if (parsed.success) return parsed.data;
  throw new EarshotError('VALIDATION_ERROR', 'after_seq is not an event number.', {
    details: [{ field: 'after_seq', message: 'an integer from 0' }],
  });
}
