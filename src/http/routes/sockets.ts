import { z } from 'zod';
import type { Conversation, StreamDialect, StreamRequest } from '../../../signaling/dialects/dialect.ts';
import { STREAM_DIALECTS } from '../../../signaling/dialects/index.ts';
import { OPENAI_REALTIME } from '../../../signaling/dialects/openai-realtime.ts';
import { ScaiEchoConversation } from '../../../signaling/dialects/scaiecho.ts';
import { serveControl, serveStream } from '../../../signaling/gateway.ts';
import { serveNative } from '../../../signaling/native-stream.ts';
import { EarshotError } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { Session } from '../../core/session/session.ts';
import { openIntroduced } from '../introduction.ts';
import { RECOGNITION_ERRORS, SESSION_ERRORS } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import type { AcceptedSocket, SocketRoute } from '../upgrades.ts';

const afterSeqSchema = z.coerce.number().int().min(0);

const STREAM_ERRORS = [...SESSION_ERRORS, ...RECOGNITION_ERRORS, 'MESSAGE_MALFORMED', 'MESSAGE_TOO_LARGE'] as const;

/** Every path that is upgraded: the native ones, and those of each dialect. */
export function socketRoutes(services: HttpServices): SocketRoute[] {
  return [
    {
      path: `${NATIVE_BASE}/stream/transcribe`,
      permission: 'scaiecho:transcribe',
      schema: {
        tag: 'Live',
        summary: 'Stream audio, receive its text while it is spoken',
        description: 'Send `{"type":"open"}`, then the bytes of the audio, then `{"type":"close"}`. Frames: docs/protocol.md.',
        errors: STREAM_ERRORS,
      },
      open: ({ caller }) => nativeStream(services, caller),
    },
    {
      path: `${NATIVE_BASE}/webrtc/sessions/:id/control`,
      permission: 'scaiecho:transcribe',
      schema: {
        tag: 'Live',
        summary: 'Read the text of a WebRTC session, and end it',
        description: 'Sends the frames of the stream socket; takes `{"type":"close"}` and `{"type":"flush"}`.',
        querystring: z.object({ after_seq: afterSeqSchema.default(0).describe('Frames from this number on, for who comes back.') }),
        errors: ['NOT_FOUND', 'RESUME_GAP', 'MESSAGE_MALFORMED', 'MESSAGE_TOO_LARGE', ...RECOGNITION_ERRORS],
      },
      open: ({ caller, query, params }) => {
        const session = services.webrtc.find(params['id'] ?? '', caller.tenantId);
        const afterSeq = parseAfterSeq(query.get('after_seq'));
        return {
          serve: async (connection) => {
            const gone = services.webrtc.attend(session.id, caller.tenantId);
            await serveControl(connection, new ScaiEchoConversation({ controlOnly: true }), session, afterSeq);
            gone(connection.closeCode);
          },
        };
      },
    },
    ...STREAM_DIALECTS.flatMap((dialect) => dialect.paths.map((path) => dialectRoute(services, dialect, path))),
  ];
}

function dialectRoute(services: HttpServices, dialect: StreamDialect, path: string): SocketRoute {
  return {
    path,
    permission: 'scaiecho:transcribe',
    schema: { tag: 'Other protocols', summary: `Stream audio as clients of ${dialect.id} do`, errors: STREAM_ERRORS },
    credential: (address) => dialect.credential(address),
    refuse: (error, requestId) => dialect.refuse(error, requestId),
    open: async ({ caller, ...address }) => {
      const protocol = dialect.subprotocol?.(address.protocols);
      const headers = dialect.upgradeHeaders?.(address);
      const callId = dialect === OPENAI_REALTIME ? address.query.get('call_id') : null;
      const accepted = callId === null ? await stream(services, caller, dialect.converse(address)) : besideCall(services, caller, callId);
      return { ...accepted, greeting: { ...(protocol !== undefined && { protocol }), ...(headers && { headers }) } };
    },
  };
}

/** A second connection to a call. */
function besideCall(services: HttpServices, caller: Principal, callId: string): AcceptedSocket {
  const call = services.calls.find(callId, caller.tenantId);
  return { serve: (connection) => call.serve(connection) };
}

/** A client of the native protocol, which may come back. */
function nativeStream(services: HttpServices, caller: Principal): AcceptedSocket {
  return {
    serve: (connection) =>
      serveNative(connection, {
        openSession: (request) => services.openSession(caller, { ...request, transport: 'websocket', priority: 'live' }),
        decode: services.decode,
        observe: services.stages.observe,
        onFault: (error) => {
          noteFault(services, error);
        },
        resumable: services.resumable,
        tenantId: caller.tenantId,
      }),
  };
}

function noteFault({ log }: HttpServices, error: EarshotError): void {
  if (error.rule.httpStatus >= 500) log.warn({ code: error.code, err: error.cause }, 'stream failed');
}

/** One client with one session; opened before the upgrade where the address says all that it takes. */
async function stream(services: HttpServices, caller: Principal, conversation: Conversation): Promise<AcceptedSocket> {
  const openSession = (request: StreamRequest): Promise<Session> =>
    openIntroduced(services, caller, conversation, { ...request, transport: 'websocket', priority: 'live' });
  const { analysis } = conversation;
  const refusal = analysis && (await services.analyst.refusal(caller.tenantId));
  if (refusal) throw refusal;
  const session = conversation.opening && (await openSession(conversation.opening));
  const language = (): { readonly language?: string } => (session?.language === undefined ? {} : { language: session.language });
  return {
    serve: (connection) =>
      serveStream(connection, conversation, {
        openSession,
        ...(session && { session }),
        ...(analysis && { analyse: (utterance) => services.analyst.analyse(caller.tenantId, [utterance], analysis, { priority: 'live', ...language() }) }),
        decode: services.decode,
        observe: services.stages.observe,
        onFault: (error) => {
          noteFault(services, error);
        },
      }),
    abandon: () => {
      void session?.close('abandoned');
    },
  };
}

function parseAfterSeq(value: string | null): number {
  const parsed = afterSeqSchema.safeParse(value ?? 0);
  if (parsed.success) return parsed.data;
  throw new EarshotError('VALIDATION_ERROR', 'after_seq is not an event number.', {
    details: [{ field: 'after_seq', message: 'an integer from 0' }],
  });
}
