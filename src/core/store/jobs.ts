import type { AudioFormat } from '../audio.ts';
import type { BackendPreference, TransportKind } from '../admission.ts';
import type { ErrorCode } from '../errors.ts';
import type { Transcript } from '../session/transcribe.ts';
import type { AnalysisRequest } from '../text-analysis.ts';
import type { TextOptions } from '../text-options.ts';
import type { Page, PageRequest } from './page.ts';
import type { BackendLetter } from './tenants.ts';
import type { UsageRecord } from './usage.ts';

export type JobStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';

/** Where a job's audio lies. */
export type JobSource =
  /** In the blob store; deleted with the job. */
  | { readonly kind: 'upload'; readonly blob: string; readonly bytes: number }
  | { readonly kind: 'url'; readonly url: string }
  /** A live session, recorded as it happened: there is nothing to run. */
  | { readonly kind: 'live'; readonly transport: TransportKind };

/** What the caller asked for; plain JSON, so that a later version can read an older row. */
export interface JobRequest {
  readonly language?: string;
  readonly model?: string;
  readonly backendPreference?: BackendPreference;
  readonly chunkSeconds?: number;
  readonly diarize?: boolean;
  /** How the text is written. */
  readonly text?: TextOptions;
  /** What is known of the audio before it is read. Default: nothing. */
  readonly format?: AudioFormat;
  /** What a language model is to do with the transcript. */
  readonly analysis?: AnalysisRequest;
  readonly callbackUrl?: string;
  /** Default POST. */
  readonly callbackMethod?: CallbackMethod;
  /** The wire protocol that made the job, where its answers have a shape of their own (`gladia`, `audiopod`). */
  readonly dialect?: string;
  /** What the dialect wants back untouched: custom metadata, its own options. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

export interface JobRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly source: JobSource;
  readonly request: JobRequest;
  readonly status: JobStatus;
  /** 0 to 1. */
  readonly progress: number;
  /** Leases so far that were not released. */
  readonly attempts: number;
  /** Not before this moment (retries). */
  readonly dueAtMs: number;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly backend: BackendLetter | null;
  readonly languageDetected: string | null;
  readonly audioMs: number | null;
  readonly audioBytes: number | null;
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
}

/** What a finished job leaves, in one verb: transcript, numbers and usage together. */
export interface JobOutcome {
  readonly transcript: Transcript;
  readonly backend: BackendLetter;
  readonly languageDetected: string | null;
  readonly audioMs: number;
  /** Null where nobody counted: tracks of a WebRTC session. */
  readonly audioBytes: number | null;
}

export interface JobAddition {
  readonly outcome?: JobOutcome;
  readonly callback?: CallbackRecord;
  /** Default: any number. */
  readonly maxQueued?: number;
}

export interface JobFilter {
  readonly status?: JobStatus;
  readonly dialect?: string;
}

/** How a receiver wants to be told. */
export type CallbackMethod = 'POST' | 'PUT';

/** A callback that is owed: written together with what it tells of, and kept until it is delivered or given up. */
export interface CallbackRecord {
  /** `evt_...`: the same in every attempt, so that receivers can ignore repeats. */
  readonly id: string;
  readonly tenantId: string;
  readonly jobId: string;
  readonly url: string;
  readonly method: CallbackMethod;
  /** JSON text that is signed and sent. */
  readonly body: string;
  readonly attempts: number;
  readonly dueAtMs: number;
}

export interface JobStore {
  /**
   * Throws `SLUG_CONFLICT` if the id is taken, and `QUOTA_EXCEEDED` if `maxQueued` jobs of the tenant wait already. A `completed` job
   * (a live session) brings its outcome, and may have an error as well: what ended the session before its time.
   */
  add(job: JobRecord, options?: JobAddition): Promise<void>;
  get(tenantId: string, id: string): Promise<JobRecord | undefined>;
  /** Puts `extra` of the request in place of what was there. False if there is no such job. */
  annotate(tenantId: string, id: string, extra: Readonly<Record<string, unknown>>): Promise<boolean>;
  list(tenantId: string, filter: JobFilter, page: PageRequest): Promise<Page<JobRecord>>;
  /** False if there is none. A running job is lost to its worker at once. */
  delete(tenantId: string, id: string): Promise<boolean>;
  /** The oldest due job that is queued, or running under a lease that ran out; it is running and leased to `owner` then. */
  lease(owner: string, nowMs: number, leaseMs: number): Promise<JobRecord | undefined>;
  /** False if `owner` has the job no longer (cancelled, deleted, leased to another): its worker stops. */
  renew(id: string, owner: string, leaseUntilMs: number, progress: number): Promise<boolean>;
  /** Transcript, job and usage at once; false, and nothing written, if `owner` has the job no longer. */
  complete(id: string, owner: string, outcome: JobOutcome, usage: UsageRecord, atMs: number, callback?: CallbackRecord): Promise<boolean>;
  /** Back into the queue for another attempt. This, failing, cancelling and deleting end the job's budget reservation. */
  retry(id: string, owner: string, dueAtMs: number): Promise<boolean>;
  /** As `retry`, and as if this attempt had not been made: the worker stops, or found no place to work. */
  release(id: string, owner: string, dueAtMs: number): Promise<boolean>;
  /** `usage`: what was heard before it failed. */
  fail(id: string, owner: string, error: { readonly code: ErrorCode; readonly message: string }, atMs: number, callback?: CallbackRecord, usage?: UsageRecord): Promise<boolean>;
  /** Queued or running becomes cancelled; false for a job that has ended or is absent. */
  cancel(tenantId: string, id: string, atMs: number): Promise<boolean>;
  /** Jobs of all tenants that ended before `beforeMs`, in any status, oldest first: what retention removes. */
  endedBefore(beforeMs: number, limit: number): Promise<readonly JobRecord[]>;
  /** Names of the blobs that jobs of all tenants have: of those that have not ended, or with `ended` of those too. */
  blobs(options: { readonly ended: boolean }): Promise<readonly string[]>;
  /**
   * Numbers of jobs, for protocols whose ids are integers: given from 1 when first asked for, kept while the job is, never used twice.
   * A live session's job has its number before it is written.
   */
  numbers(tenantId: string, ids: readonly string[]): Promise<readonly number[]>;
  /** The job's id by its number; the job itself may still be missing. */
  idOf(tenantId: string, number: number): Promise<string | undefined>;
  /** Waiting jobs, of one tenant or of all. */
  countQueued(tenantId?: string): Promise<number>;
  /** Due callbacks, not handed out again before `nowMs + leaseMs`. */
  leaseCallbacks(nowMs: number, leaseMs: number, limit: number): Promise<readonly CallbackRecord[]>;
  /** Null: delivered or given up. Otherwise one more attempt is counted, and the next is due then. */
  settleCallback(id: string, retryAtMs: number | null): Promise<void>;
}
