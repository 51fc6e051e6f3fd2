import { requestOf, type GladiaInit } from '../../../signaling/dialects/gladia-init.ts';
import { gladiaMetadata, gladiaTranscription } from '../../../signaling/dialects/gladia-results.ts';
import type { EarshotError } from '../../core/errors.ts';
import { samplesToMs } from '../../core/audio.ts';
import type { Session } from '../../core/session/session.ts';
import type { JobRecord } from '../../core/store/jobs.ts';
import type { RecoveredJob } from '../../jobs/session-recorder.ts';
import type { LiveSession } from './live-sessions.ts';
import type { Recording } from './recording.ts';

/** Kept in the job, for answers in the vendor's shape. */
export interface GladiaRecord {
  readonly init: GladiaInit;
  readonly customMetadata: Readonly<Record<string, unknown>>;
  readonly result: object;
  readonly messages: readonly string[];
}

/** What the session left in its job. */
export const recordOf = (job: JobRecord): GladiaRecord => job.request.extra as unknown as GladiaRecord;

/** The job that a session will be, as far as that is known at its start. */
export function startedJob(live: LiveSession): JobRecord {
  return jobOf(live, { status: 'running', endedAtMs: null, audioMs: null, audioBytes: null, error: null, source: { kind: 'live', transport: 'websocket' } }, 0);
}

/** The job of a session that has ended. */
export function finishedJob(live: LiveSession, recording: Recording | undefined, fault: EarshotError | undefined): JobRecord {
  const { session } = live.stream;
  // A session without any audio ended well.
  const error = fault && fault.code !== 'AUDIO_EMPTY' ? { code: fault.code, message: fault.message } : null;
  const audioMs = heardMs(session);
  return jobOf(
    live,
    {
      source: recording ? { kind: 'upload', ...recording } : { kind: 'live', transport: 'websocket' },
      status: error && live.conversation.utterances.length === 0 ? 'failed' : 'completed',
      endedAtMs: Date.now(),
      audioMs,
      audioBytes: recording?.bytes ?? session.audioBytes,
      error,
    },
    audioMs,
  );
}

/** Of a session whose server died: the results are those of its finals; messages, add-ons and the audio went with the server. */
export const recoveredLiveJob: RecoveredJob = (job, utterances) => {
  const { init, customMetadata } = recordOf(job);
  const record: GladiaRecord = {
    init,
    customMetadata,
    result: {
      metadata: gladiaMetadata(init.channels, (job.audioMs ?? 0) / 1000, 0),
      transcription: gladiaTranscription(utterances, { language: job.languageDetected ?? undefined, isLive: true }),
    },
    messages: [],
  };
  return { ...job, request: { ...job.request, extra: { ...record } } };
};

type End = Pick<JobRecord, 'source' | 'status' | 'endedAtMs' | 'audioMs' | 'audioBytes' | 'error'>;

function jobOf({ id, caller, init, createdAtMs, customMetadata, conversation, stream: { session } }: LiveSession, end: End, audioMs: number): JobRecord {
  const { language } = requestOf(init);
  const record: GladiaRecord = { init, customMetadata, result: conversation.result(audioMs / 1000), messages: conversation.messages };
  return {
    ...end,
    id,
    tenantId: caller.tenantId,
    keyId: caller.keyId,
    request: { dialect: 'gladia', ...(language !== undefined && { language }), extra: { ...record } },
    progress: 1,
    attempts: 1,
    dueAtMs: createdAtMs,
    createdAtMs,
    startedAtMs: createdAtMs,
    backend: session.backend,
    languageDetected: session.language ?? null,
  };
}

const heardMs = (session: Session): number => samplesToMs(Math.max(0, ...session.totals().map((lane) => lane.heardSamples)));
