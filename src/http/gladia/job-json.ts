import type { GladiaInit } from '../../../signaling/dialects/gladia-init.ts';
import { ERRORS } from '../../core/errors.ts';
import type { JobRecord } from '../../core/store/jobs.ts';
import type { GladiaRecord, LiveSession } from './live-sessions.ts';

/** A live session as the vendor's REST answers tell it. */
export interface LiveJob {
  readonly id: string;
  readonly request_id: string;
  readonly version: 2;
  readonly status: 'queued' | 'processing' | 'done' | 'error';
  readonly created_at: string;
  readonly completed_at: string | null;
  readonly custom_metadata: Readonly<Record<string, unknown>>;
  readonly error_code: number | null;
  readonly post_session_metadata: object;
  readonly kind: 'live';
  readonly file: object | null;
  readonly request_params: GladiaInit | null;
  readonly result: object | null;
}

/** One that is still going on. */
export function runningJob({ id, createdAtMs, customMetadata, init, stream }: LiveSession): LiveJob {
  const head = headOf(id, createdAtMs, customMetadata, init);
  return { ...head, status: stream.attached ? 'processing' : 'queued', completed_at: null, error_code: null, file: null, result: null };
}

/** One that has ended. */
export function endedJob(job: JobRecord): LiveJob {
  const { init, customMetadata, result, messages } = recordOf(job);
  return {
    ...headOf(job.id, job.createdAtMs, customMetadata, init),
    status: job.status === 'failed' ? 'error' : 'done',
    completed_at: new Date(job.endedAtMs ?? job.createdAtMs).toISOString(),
    error_code: job.status === 'failed' && job.error ? Math.max(400, ERRORS[job.error.code].httpStatus) : null,
    file: { id: job.id, filename: job.source.kind === 'upload' ? 'audio.wav' : null, source: null, audio_duration: (job.audioMs ?? 0) / 1000, number_of_channels: init.channels },
    result: { ...result, messages },
  };
}

/** What the session left in its job. */
export const recordOf = (job: JobRecord): GladiaRecord => job.request.extra as unknown as GladiaRecord;

function headOf(id: string, createdAtMs: number, customMetadata: Readonly<Record<string, unknown>>, init: GladiaInit) {
  return {
    id,
    request_id: `G-${id.slice(0, 8)}`,
    version: 2,
    created_at: new Date(createdAtMs).toISOString(),
    custom_metadata: customMetadata,
    post_session_metadata: {},
    kind: 'live',
    request_params: init,
  } as const;
}
