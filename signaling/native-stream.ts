import { EarshotError, toEarshotError } from '../src/core/errors.ts';
import type { Connection, WireMessage } from './connection.ts';
import type { Command, StreamRequest } from './dialects/dialect.ts';
import { ScaiEchoConversation } from './dialects/scaiecho.ts';
import { type GatewayServices, OPEN_TIMEOUT_MS, sayFarewell, serveStream } from './gateway.ts';
import type { ResumableSessions } from './resumable-sessions.ts';

export interface NativeStreamServices extends Omit<GatewayServices, 'session'> {
  readonly resumable: ResumableSessions;
  readonly tenantId: string;
}

type Open = Extract<Command, { readonly type: 'open' }>;

/** A client of the native stream socket: one that asks for acknowledgements, or resumes, is served so that it can come back; any other as ever. */
export async function serveNative(connection: Connection, services: NativeStreamServices): Promise<void> {
  const rest = connection.messages[Symbol.asyncIterator]();
  const { peeked, open } = await peek(rest, services.openTimeoutMs ?? OPEN_TIMEOUT_MS);
  const whole = withMessages(connection, peeked, rest);
  if (!open?.acknowledge && !open?.resume) {
    await serveStream(whole, new ScaiEchoConversation(), services);
    return;
  }
  try {
    await serveResumable(whole, open, services);
  } catch (thrown) {
    const error = toEarshotError(thrown);
    services.onFault(error);
    await sayFarewell(connection, new ScaiEchoConversation(), error);
    await connection.closed;
  }
}

async function serveResumable(connection: Connection, { request, resume }: Open, { resumable, tenantId, openSession }: NativeStreamServices): Promise<void> {
  if (resume) await resumable.resume(tenantId, resume, connection, request.format);
  else await resumable.begin(await openSession(request satisfies StreamRequest), connection, request.format);
}

/** Reads until it is clear what the client wants: its `open`, or none if it says something else, nothing in time, or goes away. */
async function peek(messages: AsyncIterator<WireMessage>, timeoutMs: number): Promise<{ readonly peeked: readonly (Promise<IteratorResult<WireMessage>> | WireMessage)[]; readonly open: Open | undefined }> {
  const probe = new ScaiEchoConversation();
  const peeked: (Promise<IteratorResult<WireMessage>> | WireMessage)[] = [];
  const expired = Promise.withResolvers<'expired'>();
  const timer = setTimeout(() => {
    expired.resolve('expired');
  }, timeoutMs);
  try {
    for (;;) {
      const next = messages.next();
      const message = await Promise.race([next, expired.promise]);
      if (message === 'expired') return { peeked: [...peeked, next], open: undefined };
      if (message.done === true) return { peeked, open: undefined };
      peeked.push(message.value);
      const [first] = probe.decode(message.value);
      if (first?.type === 'open') return { peeked, open: first };
    }
  } catch (error) {
    // Whoever serves the client meets it again, and tells it.
    if (error instanceof EarshotError) return { peeked, open: undefined };
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The connection with what was read of it put back. */
function withMessages(connection: Connection, peeked: readonly (Promise<IteratorResult<WireMessage>> | WireMessage)[], rest: AsyncIterator<WireMessage>): Connection {
  async function* messages(): AsyncGenerator<WireMessage, void, void> {
    try {
      for (const each of peeked) {
        if (!(each instanceof Promise)) yield each;
        else {
          const late = await each;
          if (late.done === true) return;
          yield late.value;
        }
      }
      for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
    } finally {
      await rest.return?.();
    }
  }
  return {
    messages: messages(),
    closed: connection.closed,
    get closeCode() {
      return connection.closeCode;
    },
    send: (text) => connection.send(text),
    confirm: () => connection.confirm(),
    close: (code, reason) => {
      connection.close(code, reason);
    },
  };
}
