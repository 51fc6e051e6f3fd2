import { z } from 'zod';
import type { Connection } from '../../../signaling/connection.ts';
import { ScaiEchoConversation } from '../../../signaling/dialects/scaiecho.ts';
import { serveControl, serveStream } from '../../../signaling/gateway.ts';
import { EarshotError } from '../../core/errors.ts';
import type { Principal } from '../../tenancy/access.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';

/** A path that is upgraded. `open` runs before the upgrade and may still refuse it by throwing. */
export interface SocketRoute {
  readonly path: RegExp;
  readonly open: (
    principal: Principal,
    query: URLSearchParams,
    match: RegExpExecArray,
  ) => (connection: Connection) => Promise<void>;
}

const afterSeqSchema = z.coerce.number().int().min(0);

export function socketRoutes(services: HttpServices): SocketRoute[] {
  return [
    {
      path: new RegExp(`^${NATIVE_BASE}/stream/transcribe/?$`),
      open: (principal) => (connection) =>
        serveStream(connection, new ScaiEchoConversation(), {
          openSession: (request) => services.sessions.create({ ...request, tenantId: principal.tenantId, priority: 'live' }),
          decode: services.decode,
          observe: services.stages.observe,
          onFault: (error) => {
            if (error.rule.httpStatus >= 500) services.log.warn({ code: error.code, err: error.cause }, 'stream failed');
          },
        }),
    },
    {
      path: new RegExp(`^${NATIVE_BASE}/webrtc/sessions/([^/]+)/control/?$`),
      open: (principal, query, match) => {
        const session = services.webrtc.find(match[1] ?? '', principal.tenantId);
        const afterSeq = parseAfterSeq(query.get('after_seq'));
        return (connection) =>
          serveControl(connection, new ScaiEchoConversation({ controlOnly: true }), session, afterSeq);
      },
    },
  ];
}

function parseAfterSeq(value: string | null): number {
  const parsed = afterSeqSchema.safeParse(value ?? 0);
  if (parsed.success) return parsed.data;
  throw new EarshotError('VALIDATION_ERROR', 'after_seq is not an event number.', {
    details: [{ field: 'after_seq', message: 'an integer from 0' }],
  });
}
