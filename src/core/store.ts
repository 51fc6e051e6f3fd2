import type { BackendPreference, TransportKind } from './admission.ts';
import type { ErrorCode } from './errors.ts';
import type { Permission } from './principal.ts';
import type { Transcript } from './session/transcribe.ts';

/**
 * What must survive a restart. Every verb is atomic: after a crash at any moment it happened whole or not at all, and once its promise
 * has resolved it has happened for good. Several processes may use one store, so what two of them could do at once has a lease or is
 * decided inside the verb. Records are plain data; times are milliseconds since 1970 by the calendar (`...AtMs`), given by the caller.
 * A record of another tenant is as absent as one that never was.
 */
export interface Store {
  readonly tenants: TenantStore;
  readonly keys: KeyStore;
  readonly jobs: JobStore;
  readonly transcripts: TranscriptStore;
  readonly speakers: SpeakerStore;
  readonly usage: UsageStore;
  readonly audit: AuditStore;
  /** Idempotent; what was begun is finished first. */
  close(): Promise<void>;
}

/** A page of a list, newest first. `next` opens the following page; absent on the last. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

export interface PageRequest {
  /** 1 to 200. */
  readonly limit: number;
  readonly after?: string;
}

// --- Tenants -------------------------------------------------------------------------------------------------------

/** `A` is self-hosted, `B` a managed relay; with two letters the second takes over where the first is unavailable. */
export type AllowedBackends = 'A' | 'B' | 'AB' | 'BA';
export type BackendLetter = 'A' | 'B';

export interface TenantPolicy {
  readonly allowedBackends: AllowedBackends;
  readonly defaultBackend: BackendLetter;
  /** `self_hosted`: no audio and no text ever leaves backend A, whatever the other fields say. */
  readonly residency: 'any' | 'self_hosted';
  /** Sessions at a time; null: no limit but the server's. */
  readonly maxConcurrentSessions: number | null;
  /** Longest session in seconds; null: the server's. */
  readonly maxSessionSeconds: number | null;
  /** Audio seconds per period; null: no budget. */
  readonly budget: Budget | null;
}

export interface Budget {
  readonly seconds: number;
  readonly period: 'day' | 'month';
}

export interface TenantStore {
  /** Undefined until it was put once. */
  policy(tenantId: string): Promise<TenantPolicy | undefined>;
  putPolicy(tenantId: string, policy: TenantPolicy, atMs: number): Promise<void>;
  /** A secret of the tenant, sealed by the caller: credentials of a relay, a webhook's key. Null removes it. */
  putSecret(tenantId: string, name: string, sealed: Uint8Array | null): Promise<void>;
  secret(tenantId: string, name: string): Promise<Uint8Array | undefined>;
  secretNames(tenantId: string): Promise<readonly string[]>;
}

// --- Keys ----------------------------------------------------------------------------------------------------------

export interface ApiKeyRecord {
  /** `key_...`, shown in lists and logs. */
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  /** SHA-256 of the secret, hexadecimal. The secret itself is kept nowhere. */
  readonly secretHash: string;
  readonly permissions: readonly Permission[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
  /** Audio seconds that this key may use per period, within its tenant's budget. */
  readonly budget: Budget | null;
}

export interface KeyStore {
  /** Throws `SLUG_CONFLICT` if the id or the hash is taken. */
  add(key: ApiKeyRecord): Promise<void>;
  bySecretHash(secretHash: string): Promise<ApiKeyRecord | undefined>;
  get(tenantId: string, id: string): Promise<ApiKeyRecord | undefined>;
  list(tenantId: string): Promise<readonly ApiKeyRecord[]>;
  /** False if there is no such key. A key revoked before keeps its first time. */
  revoke(tenantId: string, id: string, atMs: number): Promise<boolean>;
}

// --- Jobs ----------------------------------------------------------------------------------------------------------

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
  readonly diarize?: boolean;
  readonly callbackUrl?: string;
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
  readonly audioBytes: number;
}

export interface JobFilter {
  readonly status?: JobStatus;
  readonly dialect?: string;
}

/** A callback that is owed: written together with what it tells of, and kept until it is delivered or given up. */
export interface CallbackRecord {
  /** `evt_...`: the same in every attempt, so that receivers can ignore repeats. */
  readonly id: string;
  readonly tenantId: string;
  readonly jobId: string;
  readonly url: string;
  /** JSON text that is signed and sent. */
  readonly body: string;
  readonly attempts: number;
  readonly dueAtMs: number;
}

export interface JobStore {
  /** Throws `SLUG_CONFLICT` if the id is taken. A `completed` job (a live session) brings its outcome. */
  add(job: JobRecord, outcome?: JobOutcome, callback?: CallbackRecord): Promise<void>;
  get(tenantId: string, id: string): Promise<JobRecord | undefined>;
  list(tenantId: string, filter: JobFilter, page: PageRequest): Promise<Page<JobRecord>>;
  /** False if there is none. A running job is lost to its worker at once. */
  delete(tenantId: string, id: string): Promise<boolean>;
  /** The oldest due job that is queued, or running under a lease that ran out; it is running and leased to `owner` then. */
  lease(owner: string, nowMs: number, leaseMs: number): Promise<JobRecord | undefined>;
  /** False if `owner` has the job no longer (cancelled, deleted, leased to another): its worker stops. */
  renew(id: string, owner: string, leaseUntilMs: number, progress: number): Promise<boolean>;
  /** Transcript, job and usage at once; false, and nothing written, if `owner` has the job no longer. */
  complete(id: string, owner: string, outcome: JobOutcome, usage: UsageRecord, atMs: number, callback?: CallbackRecord): Promise<boolean>;
  /** Back into the queue for another attempt. */
  retry(id: string, owner: string, dueAtMs: number): Promise<boolean>;
  fail(id: string, owner: string, error: { readonly code: ErrorCode; readonly message: string }, atMs: number, callback?: CallbackRecord): Promise<boolean>;
  /** Queued or running becomes cancelled; false for a job that has ended or is absent. */
  cancel(tenantId: string, id: string, atMs: number): Promise<boolean>;
  /** Waiting jobs, of one tenant or of all. */
  countQueued(tenantId?: string): Promise<number>;
  /** Due callbacks, not handed out again before `nowMs + leaseMs`. */
  leaseCallbacks(nowMs: number, leaseMs: number, limit: number): Promise<readonly CallbackRecord[]>;
  /** Null: delivered or given up. */
  settleCallback(id: string, retryAtMs: number | null): Promise<void>;
}

// --- Transcripts ---------------------------------------------------------------------------------------------------

export interface TranscriptVersion {
  readonly jobId: string;
  /** From 1: what was recognized; later ones are edits. */
  readonly version: number;
  readonly createdAtMs: number;
  /** The key that edited; null for what was recognized. */
  readonly editedBy: string | null;
  readonly transcript: Transcript;
}

export interface TranscriptStore {
  /** Default: the newest version. */
  get(tenantId: string, jobId: string, version?: number): Promise<TranscriptVersion | undefined>;
  versions(tenantId: string, jobId: string): Promise<readonly Omit<TranscriptVersion, 'transcript'>[]>;
  /** A new version over `baseVersion`; throws `SESSION_CONFLICT` if a newer one is there, `NOT_FOUND` without the job. Answers its number. */
  edit(tenantId: string, jobId: string, baseVersion: number, transcript: Transcript, editedBy: string, atMs: number): Promise<number>;
  /** Jobs whose newest version contains every word of the query, newest first. */
  search(tenantId: string, query: string, page: PageRequest): Promise<Page<{ readonly jobId: string; readonly excerpt: string }>>;
}

// --- Speakers ------------------------------------------------------------------------------------------------------

/** Who agreed to what, in which words, and the recording of it. Written once, never changed, kept after erasure. */
export interface ConsentRecord {
  readonly id: string;
  readonly userFullName: string;
  readonly statedPurpose: string;
  readonly text: string;
  /** SHA-256 of the recording, hexadecimal: the receipt that remains. */
  readonly recordingSha256: string;
  readonly recordedAtMs: number;
}

export interface SpeakerRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly displayName: string;
  readonly languagePrimary: string;
  readonly description: string | null;
  readonly status: 'pending' | 'ready' | 'failed' | 'erased';
  readonly failureReason: string | null;
  readonly consent: ConsentRecord;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly erasedAtMs: number | null;
}

/** A speaker's voice as an engine knows it, sealed by the caller with the key for biometric data. */
export interface SealedVoiceprint {
  readonly speakerId: string;
  readonly displayName: string;
  /** The engine and model that made it: prints of different ones cannot be compared. */
  readonly engine: string;
  readonly sealed: Uint8Array;
}

export interface SpeakerStore {
  add(speaker: SpeakerRecord): Promise<void>;
  get(tenantId: string, id: string): Promise<SpeakerRecord | undefined>;
  /** Without the erased ones. */
  list(tenantId: string, page: PageRequest): Promise<Page<SpeakerRecord>>;
  /** Pending becomes ready with its print, or failed with the reason; false if it is not pending. */
  settle(tenantId: string, id: string, outcome: { readonly print: Omit<SealedVoiceprint, 'speakerId' | 'displayName'> } | { readonly failureReason: string }): Promise<boolean>;
  /** Prints of ready, unexpired speakers. */
  voiceprints(tenantId: string, engine: string, nowMs: number): Promise<readonly SealedVoiceprint[]>;
  /** Print gone, tombstone with the consent left. False if there is none. */
  erase(tenantId: string, id: string, atMs: number): Promise<boolean>;
  /** Speakers whose expiry has come, of all tenants. */
  expired(nowMs: number, limit: number): Promise<readonly SpeakerRecord[]>;
}

// --- Usage and budgets ---------------------------------------------------------------------------------------------

/** One call. `id` is the session's or the job's: recording it twice counts once. */
export interface UsageRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly transport: TransportKind;
  readonly backend: BackendLetter;
  readonly jobId: string | null;
  readonly atMs: number;
  /** Wall time of the call. */
  readonly durationMs: number;
  readonly audioBytes: number;
  /** Samples at 16 kHz over all lanes; gaps included. */
  readonly heardSamples: number;
  readonly speechSamples: number;
}

export interface UsageQuery {
  readonly fromMs: number;
  readonly toMs: number;
  readonly groupBy: readonly ('day' | 'key' | 'backend' | 'transport')[];
}

export interface UsageSum {
  /** `2026-11-21` (UTC), where grouped by day. */
  readonly day?: string;
  readonly keyId?: string;
  readonly backend?: BackendLetter;
  readonly transport?: TransportKind;
  readonly calls: number;
  readonly heardSamples: number;
  readonly speechSamples: number;
  readonly audioBytes: number;
  readonly durationMs: number;
}

/** A purse that samples are taken from: `tenant:ID` or `key:ID`, in one period (`2026-11` or `2026-11-21`). */
export interface BudgetAccount {
  readonly account: string;
  readonly period: string;
  readonly limitSamples: number;
}

export interface UsageStore {
  /** Records the call and, where it held a reservation (same id), settles it to what was heard. Idempotent by id. */
  record(usage: UsageRecord): Promise<void>;
  sum(tenantId: string, query: UsageQuery): Promise<readonly UsageSum[]>;
  /**
   * Puts `samples` aside under `id` in all accounts, or in none: then answers the account that is short. A reservation that exists
   * already is raised to `samples` if it is lower. Spent and reserved together never pass a limit.
   */
  reserve(id: string, accounts: readonly BudgetAccount[], samples: number, untilMs: number): Promise<{ readonly short: string | null; readonly leftSamples: number }>;
  /** Spent and reserved samples of an account. */
  spent(account: string, period: string, nowMs: number): Promise<{ readonly spentSamples: number; readonly reservedSamples: number }>;
}

// --- Audit ---------------------------------------------------------------------------------------------------------

/** Who did what to what. Append-only. */
export interface AuditRecord {
  readonly tenantId: string;
  readonly keyId: string;
  readonly atMs: number;
  /** `key.create`, `policy.update`, `speaker.erase`, ... */
  readonly action: string;
  readonly subject: string;
  /** Never secrets, text or audio. */
  readonly details: Readonly<Record<string, string | number | boolean | null>>;
}

export interface AuditStore {
  append(record: AuditRecord): Promise<void>;
  list(tenantId: string, page: PageRequest): Promise<Page<AuditRecord>>;
}

/** Files too large for a row: uploads, consent recordings, kept audio. Names are made by the store. */
export interface BlobStore {
  /** Resolves with the name once every byte is on the disk; nothing is left of a stream that breaks off or passes `maxBytes` (`AUDIO_TOO_LARGE`). */
  write(bytes: AsyncIterable<Uint8Array>, options: { readonly maxBytes: number; readonly signal?: AbortSignal }): Promise<{ readonly name: string; readonly bytes: number; readonly sha256: string }>;
  /** Throws `NOT_FOUND`. */
  read(name: string): AsyncIterable<Uint8Array>;
  /** Idempotent. */
  delete(name: string): Promise<void>;
}
