import type { FastifyRequest } from 'fastify';
import type { SessionWish } from '../core/admission.ts';
import type { AudioFormat } from '../core/audio.ts';
import { EarshotError } from '../core/errors.ts';
import type { Session } from '../core/session/session.ts';
import { transcribe, type Transcript } from '../core/session/transcribe.ts';
import { MeasuredBytes } from './measured-bytes.ts';
import type { HttpServices } from './services.ts';

/** A recording in the hands of one request. */
export interface Recording {
  /** Called once there is a session for it. Its bytes go into the decoder as they come: memory does not grow with them. */
  readonly open: (signal: AbortSignal) => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;
  /** Default: the first bytes tell. */
  readonly format?: AudioFormat;
  /** Default: any number. */
  readonly maxBytes?: number;
}

/** A recording that is being heard. */
export interface Recognition {
  readonly session: Session;
  /** What has passed into the decoder. */
  readonly bytes: MeasuredBytes;
  readonly laneCount: number;
  /** Resolves once the transcript is whole, and kept. Rejects with what ended the session before that. */
  readonly transcript: Promise<Transcript>;
}

/**
 * Opens a session for a recording and begins to hear it. Rejects with what refuses the session or the audio before the first word. It ends if the client goes away.
 */
export async function recognizeUpload(
  services: HttpServices,
  request: FastifyRequest,
  recording: Recording,
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
  const hear = async (opened: Session, bytes: MeasuredBytes, audio: Parameters<typeof transcribe>[1]): Promise<Transcript> => {
    const transcript = await transcribe(opened, audio, { signal: gone.signal });
    await services.recorder.record(opened, request.caller, wish, transcript, bytes.count, startedAtMs);
    return transcript;
  };
  try {
    const opened = await services.openSession(request.caller, wish);
    session = opened;
    const bytes = new MeasuredBytes(await recording.open(gone.signal), recording.maxBytes ?? Infinity, (count) => {
      opened.countBytes(count);
    });
    const audio = await services.decode(bytes, recording.format ?? { container: 'auto' }, gone.signal);
    const transcript = hear(opened, bytes, audio).finally(release);
    // Whoever reads the events first learns of a failure there.
    transcript.catch(() => undefined);
    return { session, bytes, laneCount: audio.lanes.length, transcript };
  } catch (error) {
    release();
    throw error;
  }
}
