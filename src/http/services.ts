import type { IncomingMessage } from 'node:http';
import type { WebRtcSessions } from '../../signaling/offer-answer.ts';
import type { WebSocketTransport } from '../../signaling/transports/websocket.ts';
import type { OpenSession } from '../core/admission.ts';
import type { AudioDecoder } from '../core/audio.ts';
import type { Principal } from '../core/principal.ts';
import type { Sessions } from '../core/session/sessions.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { StageHistograms } from '../observability/stage-histograms.ts';
import type { Access } from '../tenancy/access.ts';

/** What the routes work with. */
export interface HttpServices {
  readonly access: Access;
  readonly sessions: Sessions;
  /** The one door to a session, for every transport. */
  readonly openSession: OpenSession;
  readonly webrtc: WebRtcSessions;
  readonly dispatcher: Dispatcher;
  readonly decode: AudioDecoder;
  readonly webSockets: WebSocketTransport;
  readonly log: Log;
  readonly stages: StageHistograms;
  /** Largest upload answered in the same response, in bytes. */
  readonly maxInlineBytes: number;
  /** Folder of the built page. */
  readonly pageDir: string;
}

/** The part of pino that is used here. Never given transcript text, audio or keys. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Base of the native API's paths. */
export const NATIVE_BASE = '/v1/modules/scaiecho';

/** Lets a request in, or rejects with what refuses it. `shown` is the secret of a protocol that has a place of its own for it. */
export function authenticate(services: HttpServices, request: IncomingMessage, shown?: { readonly secret: string | undefined }): Promise<Principal> {
  const { authorization, host, origin } = request.headers;
  if (shown) return services.access.authenticate({ token: shown.secret, host, origin });
  const token = new URL(request.url ?? '/', 'http://localhost').searchParams.get('token') ?? undefined;
  return services.access.authenticate({ authorization, token, host, origin });
}
