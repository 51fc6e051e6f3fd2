import { isObject } from './frames.ts';
import { Problem } from './problem.ts';
import type { Server } from './server.ts';

export interface TranscribeOptions {
  /** Fields of the form: `language_hint`, `model`, `diarize`, `callback_url`, ... */
  readonly fields?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** An utterance of a recording, as the server writes it. */
export interface Segment {
  readonly segment_id: string;
  readonly lane: number;
  readonly text: string;
  /** Seconds. */
  readonly start: number;
  readonly end: number;
  readonly speaker?: string;
  readonly words: readonly { readonly text: string; readonly start: number; readonly end: number; readonly confidence?: number }[];
}

/** A recording's text; with further fields of `POST transcribe`. */
export interface Transcript {
  readonly transcript: string;
  readonly segments: readonly Segment[];
  readonly job_id?: string;
  readonly language_detected: string | null;
}

export type JobStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';

/** A job; `transcript` and `segments` once it is completed. With further fields of `GET transcribe/jobs/{id}`. */
export interface Job extends Partial<Transcript> {
  readonly job_id: string;
  readonly status: JobStatus;
  readonly error?: { readonly code: string; readonly message: string } | null;
}

const POLL_MS = 1000;
const ENDED: readonly JobStatus[] = ['completed', 'failed', 'cancelled'];

/** The text of a recording, however long it takes. Rejects with a Problem. */
export async function transcribe(server: Server, file: Blob, options: TranscribeOptions = {}): Promise<Transcript> {
  const answer = await send(server, file, options.fields ?? {}, options.signal);
  if (typeof answer['transcript'] === 'string') return answer as unknown as Transcript;
  const job = await finished(server, jobIdOf(answer), options.signal);
  if (job.status !== 'completed') throw new Problem(job.error?.code ?? 'JOB_CANCELLED', job.error?.message ?? 'The job was cancelled.');
  return job as Transcript;
}

/** Hands a recording over as a job; resolves with its id once it is kept. */
export async function submit(server: Server, file: Blob, options: TranscribeOptions = {}): Promise<string> {
  return jobIdOf(await send(server, file, { ...options.fields, force_async: 'true' }, options.signal));
}

export async function readJob(server: Server, id: string, signal?: AbortSignal): Promise<Job> {
  return (await server.request('GET', `transcribe/jobs/${encodeURIComponent(id)}`, { ...(signal && { signal }) })) as Job;
}

/** The job once it has ended, well or not. */
export async function finished(server: Server, id: string, signal?: AbortSignal): Promise<Job> {
  for (;;) {
    const job = await readJob(server, id, signal);
    if (ENDED.includes(job.status)) return job;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function send(server: Server, file: Blob, fields: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<Readonly<Record<string, unknown>>> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', file, 'recording');
  const answer = await server.request('POST', 'transcribe', { form, ...(signal && { signal }) });
  return isObject(answer) ? answer : {};
}

function jobIdOf(answer: Readonly<Record<string, unknown>>): string {
  const id = answer['job_id'];
  if (typeof id !== 'string') throw new Problem('CLIENT_ERROR', 'The server answered with no job.');
  return id;
}
