import type { FastifyRequest } from 'fastify';
import type { SessionWish } from '../core/admission.ts';
import type { AudioFormat, DecodedAudio } from '../core/audio.ts';
import { EarshotError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Session } from '../core/session/session.ts';
import { transcribe, type Transcript } from '../core/session/transcribe.ts';
import { analysed, type AnalysisRequest } from '../core/text-analysis.ts';
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

export interface RecognitionOptions {
  /** Ends it: nobody waits any more. */
  readonly signal: AbortSignal;
  /** Told how many milliseconds have been settled. */
  readonly progress?: (settledMs: number) => void;
  /** What a language model is to do with the transcript, before that is kept. */
  readonly analysis?: AnalysisRequest;
}

/** Opens a session for a recording and begins to hear it. Rejects with what refuses the session or the audio before the first word. */
export async function recognizeRecording(
  services: HttpServices,
  caller: Principal,
  recording: Recording,
  wish: SessionWish,
  options: RecognitionOptions,
): Promise<Recognition> {
  const startedAtMs = services.now();
  const session = await services.openSession(caller, wish);
  const hear = async (bytes: MeasuredBytes, audio: DecodedAudio): Promise<Transcript> => {
    const heard = await transcribe(session, audio, options);
    const transcript = await analysed(services.analyst, caller.tenantId, heard, options.analysis, { priority: 'batch', signal: options.signal });
    await services.recorder.record(session, caller, wish, transcript, bytes.count, startedAtMs);
    return transcript;
  };
  try {
    const bytes = new MeasuredBytes(await recording.open(options.signal), recording.maxBytes ?? Infinity, (count) => {
      session.countBytes(count);
    });
    const audio = await services.decode(bytes, recording.format ?? { container: 'auto' }, options.signal);
    const transcript = hear(bytes, audio);
    // Whoever reads the events first learns of a failure there.
    transcript.catch(() => undefined);
    return { session, bytes, laneCount: audio.lanes.length, transcript };
  } catch (error) {
    void session.close('finished');
    throw error;
  }
}

/** The same for a request; it ends if the client goes away. */
export async function recognizeUpload(services: HttpServices, request: FastifyRequest, recording: Recording, wish: SessionWish, analysis?: AnalysisRequest): Promise<Recognition> {
  const { socket } = request.raw;
  const gone = new AbortController();
  const onClose = (): void => {
    gone.abort(new EarshotError('SESSION_CONFLICT', 'The client went away.'));
  };
  const forget = (): void => {
    socket.off('close', onClose);
  };
  socket.once('close', onClose);
  try {
    const recognition = await recognizeRecording(services, request.caller, recording, wish, { signal: gone.signal, ...(analysis && { analysis }) });
    recognition.transcript.then(forget, forget);
    return recognition;
  } catch (error) {
    forget();
    throw error;
  }
}
