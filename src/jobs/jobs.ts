import { randomUUID } from 'node:crypto';
import { EarshotError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { Transcript } from '../core/session/transcribe.ts';
import type { AuditRecord, AuditStore } from '../core/store/audit.ts';
import type { BlobStore } from '../core/store/blobs.ts';
import type { JobFilter, JobRecord, JobRequest, JobSource, JobStore } from '../core/store/jobs.ts';
import type { Page, PageRequest } from '../core/store/page.ts';
import type { TranscriptStore } from '../core/store/transcripts.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { openUrl } from './url-audio.ts';

export interface JobsOptions {
  readonly store: JobStore;
  readonly transcripts: Pick<TranscriptStore, 'edit'>;
  /** Told who made, cancelled, deleted or edited which job. */
  readonly audit: Pick<AuditStore, 'append'>;
  readonly blobs: BlobStore;
  readonly outbound: Outbound;
  /** Waiting jobs of one tenant; more are refused. */
  readonly maxQueuedJobs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A job waits to be worked off. */
  readonly added: () => void;
  /** A job is nobody's any more: who works on it stops. */
  readonly dropped: (id: string) => void;
}

/** What a caller can do with jobs. A job of another tenant is as absent as one that never was. */
export class Jobs {
  readonly #options: JobsOptions;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** What is wrong with an address that a client names, for audio or a callback; for people. */
  addressRefusal(address: string): string | undefined {
    return this.#options.outbound.refusal(address);
  }

  /** The audio at an address, for who does not want a job; see `openUrl` for what goes wrong. */
  async openUrl(url: string, maxBytes: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return (await openUrl(this.#options.outbound, url, maxBytes, signal)).bytes;
  }

  /** Refuses early what `submit` would refuse after a long upload: throws `QUOTA_EXCEEDED`. */
  async checkRoom(caller: Principal): Promise<void> {
    const { store, maxQueuedJobs } = this.#options;
    if ((await store.countQueued(caller.tenantId)) >= maxQueuedJobs) throw quotaExceeded(maxQueuedJobs);
  }

  /**
   * Puts a job into the queue; once this resolves it survives a crash. Throws `QUOTA_EXCEEDED`. An upload that is not taken is deleted.
   */
  async submit(caller: Principal, source: Exclude<JobSource, { readonly kind: 'live' }>, request: JobRequest): Promise<JobRecord> {
    const { store, blobs, now, maxQueuedJobs, added } = this.#options;
    const job: JobRecord = {
      id: `job_${randomUUID()}`,
      tenantId: caller.tenantId,
      keyId: caller.keyId,
      source,
      request,
      status: 'queued',
      progress: 0,
      attempts: 0,
      dueAtMs: now(),
      createdAtMs: now(),
      startedAtMs: null,
      endedAtMs: null,
      backend: null,
      languageDetected: null,
      audioMs: null,
      audioBytes: source.kind === 'upload' ? source.bytes : null,
      error: null,
    };
    try {
      await store.add(job, { maxQueued: maxQueuedJobs });
    } catch (error) {
      if (source.kind === 'upload') await blobs.delete(source.blob);
      throw error instanceof EarshotError && error.code === 'QUOTA_EXCEEDED' ? quotaExceeded(maxQueuedJobs) : error;
    }
    added();
    await this.#note(caller, 'job.create', job.id, { source: source.kind });
    return job;
  }

  /** Throws `NOT_FOUND`. */
  async get(tenantId: string, id: string): Promise<JobRecord> {
    const job = await this.#options.store.get(tenantId, id);
    if (!job) throw new EarshotError('NOT_FOUND', 'No such job.');
    return job;
  }

  /** As in {@link JobStore}. */
  numbers(tenantId: string, ids: readonly string[]): Promise<readonly number[]> {
    return this.#options.store.numbers(tenantId, ids);
  }

  /** Throws `NOT_FOUND` for a number that was not given. */
  async idOf(tenantId: string, number: number): Promise<string> {
    const id = await this.#options.store.idOf(tenantId, number);
    if (id === undefined) throw new EarshotError('NOT_FOUND', 'No such job.');
    return id;
  }

  list(tenantId: string, filter: JobFilter, page: PageRequest): Promise<Page<JobRecord>> {
    return this.#options.store.list(tenantId, filter, page);
  }

  /** Throws `NOT_FOUND`, and `SESSION_CONFLICT` for a job that has ended. No callback is sent. */
  async cancel(caller: Principal, id: string): Promise<JobRecord> {
    const { store, dropped, now } = this.#options;
    const cancelled = await store.cancel(caller.tenantId, id, now());
    const job = await this.get(caller.tenantId, id);
    if (!cancelled) throw new EarshotError('SESSION_CONFLICT', `The job has ended: it is ${job.status}.`);
    dropped(id);
    await this.#deleteAudio(job);
    await this.#note(caller, 'job.cancel', id);
    return job;
  }

  /** The job, its transcript in all versions, and its audio. Throws `NOT_FOUND`. */
  async delete(caller: Principal, id: string): Promise<void> {
    const { tenantId } = caller;
    const job = await this.get(tenantId, id);
    if (!(await this.#options.store.delete(tenantId, id))) throw new EarshotError('NOT_FOUND', 'No such job.');
    this.#options.dropped(id);
    await this.#deleteAudio(job);
    await this.#note(caller, 'job.delete', id);
  }

  /** Adds a version after `baseVersion`, and answers its number. Throws `NOT_FOUND`, and `SESSION_CONFLICT` if that is not the newest. */
  async edit(caller: Principal, id: string, baseVersion: number, transcript: Transcript, notes?: string): Promise<number> {
    const { transcripts, now } = this.#options;
    const version = await transcripts.edit(caller.tenantId, id, baseVersion, transcript, caller.keyId, now(), notes);
    await this.#note(caller, 'job.edit', id, { version });
    return version;
  }

  async #note({ tenantId, keyId }: Principal, action: string, subject: string, details: AuditRecord['details'] = {}): Promise<void> {
    await this.#options.audit.append({ tenantId, keyId, atMs: this.#options.now(), action, subject, details });
  }

  async #deleteAudio({ source }: JobRecord): Promise<void> {
    if (source.kind === 'upload') await this.#options.blobs.delete(source.blob);
  }
}

function quotaExceeded(maxQueuedJobs: number): EarshotError {
  return new EarshotError('QUOTA_EXCEEDED', `${String(maxQueuedJobs)} jobs wait already; come back when some are done.`, { retryAfterSeconds: 30 });
}
