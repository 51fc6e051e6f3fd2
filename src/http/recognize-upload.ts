import type { FastifyRequest } from 'fastify';
import type { SessionWish } from '../core/admission.ts';
import { EarshotError } from '../core/errors.ts';
import type { Session } from '../core/session/session.ts';
import { transcribe, type Transcript } from '../core/session/transcribe.ts';
import type { HttpServices } from './services.ts';

/** An upload that is being heard. */
export interface Recognition {
  readonly session: Session;
  /** Resolves once the transcript is whole, and kept. Rejects with what ended the session before that. */
  readonly transcript: Promise<Transcript>;
}

/**
 * Opens a session for a file in the hands of this request and begins to hear it. Rejects with what refuses the session or the audio before the
 * first word. It ends if the client goes away.
 */
export async function recognizeUpload(
  services: HttpServices,
  request: FastifyRequest,
  file: { readonly bytes: AsyncIterable<Uint8Array>; readonly size: number },
  wish: SessionWish,
): Promise<Recognition> {
  const { socket } = request.raw;
  const gone = new AbortController();
  const onClose = (): void => {
    gone.abort(new EarshotError('SESSION_CONFLICT', 'The client went away.'));
  };
  socket.once('close', onClose);
  const startedAtMs = services.now();
  let session: Session | undefined;
  const release = (): void => {
    socket.off('close', onClose);
    void session?.close('finished');
  };
  const hear = async (opened: Session, audio: Parameters<typeof transcribe>[1]): Promise<Transcript> => {
    const transcript = await transcribe(opened, audio, { signal: gone.signal });
    await services.recorder.record(opened, request.caller, wish, transcript, file.size, startedAtMs);
    return transcript;
  };
  try {
    session = await services.openSession(request.caller, wish);
    session.countBytes(file.size);
    const audio = await services.decode(file.bytes, { container: 'auto' }, gone.signal);
    const transcript = hear(session, audio).finally(release);
    // Whoever reads the events first learns of a failure there.
    transcript.catch(() => undefined);
    return { session, transcript };
  } catch (error) {
    release();
    throw error;
  }
}
