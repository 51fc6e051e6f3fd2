import { AUDIOPOD_STATUS } from '../../signaling/dialects/audiopod-jobs.ts';
import { EarshotError } from '../core/errors.ts';
import type { JobRecord } from '../core/store/jobs.ts';
import type { TranscriptVersion } from '../core/store/transcripts.ts';
import type { HttpServices } from './services.ts';

/** A job by its number; one that is still spoken is running. Throws `NOT_FOUND`. */
export async function findJob({ jobs, recorder }: HttpServices, tenantId: string, id: string): Promise<{ readonly job: JobRecord; readonly number: number }> {
  const number = /^[1-9]\d{0,14}$/.test(id) ? Number(id) : 0;
  const jobId = await jobs.idOf(tenantId, number);
  const live = recorder.following(jobId);
  if (live?.session.state === 'closed') await live.written;
  else if (live) return { job: runningJob(tenantId, jobId, live.startedAtMs), number };
  return { job: await jobs.get(tenantId, jobId), number };
}

/** The newest version. Throws `NOT_FOUND`, also while there is none. */
export async function findTranscript(services: HttpServices, tenantId: string, id: string): Promise<{ readonly jobId: string; readonly number: number; readonly version: TranscriptVersion }> {
  const { job, number } = await findJob(services, tenantId, id);
  const version = await services.transcripts.get(tenantId, job.id);
  if (!version) throw new EarshotError('NOT_FOUND', `There is no transcript: the job is ${AUDIOPOD_STATUS[job.status]}.`);
  return { jobId: job.id, number, version };
}

const runningJob = (tenantId: string, id: string, startedAtMs: number): JobRecord => ({
  id,
  tenantId,
  keyId: '',
  source: { kind: 'live', transport: 'websocket' },
  request: {},
  status: 'running',
  progress: 0,
  attempts: 1,
  dueAtMs: startedAtMs,
  createdAtMs: startedAtMs,
  startedAtMs,
  endedAtMs: null,
  backend: null,
  languageDetected: null,
  audioMs: null,
  audioBytes: null,
  error: null,
});
