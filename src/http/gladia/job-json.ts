import type { GladiaInit } from '../../../signaling/dialects/gladia-init.ts';
import { ERRORS } from '../../core/errors.ts';
import type { JobRecord } from '../../core/store/jobs.ts';
import { recordOf } from './live-record.ts';
import type { LiveSession } from './live-sessions.ts';

/** A job as the vendor's REST answers tell it: a live session, or a recording. */
export interface GladiaJob {
  readonly id: string;
  readonly request_id: string;
  readonly version: 2;
  readonly status: 'queued' | 'processing' | 'done' | 'error';
  readonly created_at: string;
  readonly completed_at: string | null;
  readonly custom_metadata: Readonly<Record<string, unknown>>;
  readonly error_code: number | null;
  readonly post_session_metadata: object;
  readonly kind: 'live' | 'pre-recorded';
  readonly file: object | null;
  readonly request_params: object | null;
  readonly result: object | null;
}

const STATUSES: Readonly<Record<JobRecord['status'], GladiaJob['status']>> = { queued: 'queued', running: 'processing', completed: 'done', failed: 'error', cancelled: 'error' };

/** One that is still going on. */
export function runningJob({ id, createdAtMs, customMetadata, init, stream }: LiveSession): GladiaJob {
  const head = headOf(id, createdAtMs, customMetadata, init);
  return { ...head, kind: 'live', status: stream.attached ? 'processing' : 'queued', completed_at: null, error_code: null, file: null, result: null };
}

/** One that has ended. */
export function endedJob(job: JobRecord): GladiaJob {
  const { init, customMetadata, result, messages } = recordOf(job);
  return {
    ...headOf(job.id, job.createdAtMs, customMetadata, init),
    kind: 'live',
    ...endOf(job),
    file: { id: job.id, filename: job.source.kind === 'upload' ? 'audio.wav' : null, source: null, audio_duration: (job.audioMs ?? 0) / 1000, number_of_channels: init.channels },
    result: { ...result, messages },
  };
}

/** How far a job is, and what it failed of. */
export function endOf({ status, endedAtMs, error }: JobRecord): Pick<GladiaJob, 'status' | 'completed_at' | 'error_code'> {
  const told = STATUSES[status];
  return {
    status: told,
    completed_at: endedAtMs === null ? null : new Date(endedAtMs).toISOString(),
    error_code: told === 'error' ? errorCodeOf(error) : null,
  };
}

/** The vendor's codes are HTTP statuses from 400 to 599. */
export const errorCodeOf = (error: JobRecord['error']): number => (error ? Math.max(400, ERRORS[error.code].httpStatus) : 499);

export function headOf(id: string, createdAtMs: number, customMetadata: Readonly<Record<string, unknown>>, requestParams: GladiaInit | object) {
  return {
    id,
    request_id: `G-${id.slice(0, 8)}`,
    version: 2,
    created_at: new Date(createdAtMs).toISOString(),
    custom_metadata: customMetadata,
    post_session_metadata: {},
    request_params: requestParams,
  } as const;
}
