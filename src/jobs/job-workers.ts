import { randomUUID } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { EarshotError, toEarshotError } from '../core/errors.ts';
import type { CallbackRecord, JobRecord, JobStore } from '../core/store/jobs.ts';
import type { Transcript } from '../core/session/transcribe.ts';
import type { DescribeJob } from './job-description.ts';
import type { UsageRecord } from '../core/store/usage.ts';
import type { JobResult, JobRun, RunJob } from './run-job.ts';

/** The part of the store that a queue of another kind would have to give. */
export type JobQueue = Pick<JobStore, 'lease' | 'renew' | 'complete' | 'retry' | 'release' | 'fail'>;

export interface JobWorkersOptions {
  readonly queue: JobQueue;
  readonly run: RunJob;
  readonly describe: DescribeJob;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Jobs at a time. */
  readonly concurrency: number;
  /** A worker that dies loses its job to another after so long. Default 30 s; renewed three times as often. */
  readonly leaseMs?: number;
  /** Longest time until a job that became due by itself is seen. Default 2 s. */
  readonly pollMs?: number;
  /** Default 5. */
  readonly maxAttempts?: number;
  /** Records what was heard for a job that somebody cancelled or deleted meanwhile. */
  readonly record: (usage: UsageRecord) => Promise<void>;
  /** A job is over, well or not: its callback is due, its audio may go. */
  readonly ended: (job: JobRecord) => void | Promise<void>;
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
}

const DEFAULT_LEASE_MS = 30_000;
const DEFAULT_POLL_MS = 2000;
const DEFAULT_MAX_ATTEMPTS = 5;
/** Pauses between attempts: 5 s, 20 s, 80 s, 320 s. */
const FIRST_PAUSE_MS = 5000;
const PAUSE_GROWTH = 4;
/** A place to work was not to be had; that says nothing about the job, and counts as no attempt. */
const NOT_NOW: ReadonlySet<string> = new Set(['CAPACITY_EXCEEDED', 'RATE_LIMITED', 'SERVER_STOPPING']);
const NOT_NOW_PAUSE_MS = 5000;

/** Why a run was ended from outside. */
const LOST = new EarshotError('SESSION_CONFLICT', 'The job was cancelled, deleted, or taken over.');
const DROPPED = new EarshotError('SESSION_CONFLICT', 'The job was cancelled or deleted.');
const STOPPING = new EarshotError('SERVER_STOPPING', 'The server is shutting down.');

/**
 * Works off the queue, a few jobs at a time:
 *
 *            lease                    run                      complete
 *   queued ---------> running ------------------> result ---------------> completed
 *     ^                  |                           |
 *     |  release: no place, or the server stops      | error that is worth another attempt: retry, after a pause
 *     +------------------+---------------------------+
 *                                                    | any other: fail
 *
 * A lease is renewed while the job runs; where that says no, the job is another's, and the run ends without a trace. After a crash the
 * lease runs out and the job is leased again. `close` gives what is running back. What was heard is recorded once a job, when that completes, fails
 * or is dropped: attempts that are made again are the server's loss.
 */
export class JobWorkers {
  readonly #options: JobWorkersOptions;
  /** Tells leases of this start of this process from all others. */
  readonly #owner = `wrk_${randomUUID()}`;
  readonly #running = new Map<string, AbortController>();
  readonly #stopped = new AbortController();
  #wake = Promise.withResolvers<void>();
  #loops: Promise<void>[] = [];

  constructor(options: JobWorkersOptions) {
    this.#options = options;
  }

  get runningJobs(): number {
    return this.#running.size;
  }

  start(): void {
    this.#loops = Array.from({ length: this.#options.concurrency }, () => this.#loop());
  }

  /** There is something to do: look now. */
  wake(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }

  /** The job was cancelled or deleted: if it runs here, it ends now and not at the next renewal. */
  drop(id: string): void {
    this.#running.get(id)?.abort(DROPPED);
  }

  /** Gives running jobs back to the queue. Idempotent. */
  async close(): Promise<void> {
    this.#stopped.abort();
    for (const run of this.#running.values()) run.abort(STOPPING);
    this.wake();
    await Promise.all(this.#loops);
  }

  async #loop(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const woken = this.#wake.promise;
      const job = await this.#lease();
      if (job) await this.#attempt(job);
      else await this.#rest(woken);
    }
  }

  async #lease(): Promise<JobRecord | undefined> {
    const { queue, now, leaseMs = DEFAULT_LEASE_MS, log } = this.#options;
    try {
      return await queue.lease(this.#owner, now(), leaseMs);
    } catch (error) {
      log.error({ err: error }, 'the job queue cannot be read');
      return undefined;
    }
  }

  async #rest(woken: Promise<void>): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    const polled = Promise.withResolvers<void>();
    const cancel = this.#options.clock.setTimer(this.#options.pollMs ?? DEFAULT_POLL_MS, polled.resolve);
    await Promise.race([woken, polled.promise]);
    cancel();
  }

  /** Never rejects. */
  async #attempt(job: JobRecord): Promise<void> {
    const run = new AbortController();
    this.#running.set(job.id, run);
    if (this.#stopped.signal.aborted) run.abort(STOPPING);
    let progress = 0;
    let spent: UsageRecord | undefined;
    const endRenewal = this.#renewWhileRunning(job, run, () => progress);
    try {
      const result = await this.#run(job, { signal: run.signal, progress: (share) => (progress = share), spent: (usage) => (spent = usage) });
      await this.#complete(job, result);
    } catch (error) {
      await this.#giveUp(job, toEarshotError(error), spent).catch((failure: unknown) => {
        // The lease runs out, and somebody else tries.
        this.#options.log.error({ jobId: job.id, err: failure }, 'the end of a job cannot be written');
      });
    } finally {
      endRenewal();
      this.#running.delete(job.id);
    }
  }

  async #run(job: JobRecord, run: JobRun): Promise<JobResult> {
    if (job.attempts > (this.#options.maxAttempts ?? DEFAULT_MAX_ATTEMPTS)) {
      throw new EarshotError('BACKEND_ERROR', 'The server was lost too often while it worked on this audio.');
    }
    run.signal.throwIfAborted();
    return this.#options.run(job, run);
  }

  async #complete(job: JobRecord, { outcome, usage }: JobResult): Promise<void> {
    const { queue, now } = this.#options;
    const atMs = now();
    const { transcript, ...numbers } = outcome;
    const completed: JobRecord = { ...job, ...numbers, status: 'completed', progress: 1, endedAtMs: atMs };
    if (await queue.complete(job.id, this.#owner, outcome, usage, atMs, this.#callback(completed, transcript))) await this.#ended(completed);
  }

  async #giveUp(job: JobRecord, error: EarshotError, spent: UsageRecord | undefined): Promise<void> {
    const { queue, now, maxAttempts = DEFAULT_MAX_ATTEMPTS, log } = this.#options;
    if (error === DROPPED && spent) await this.#options.record(spent);
    if (error === DROPPED || error === LOST) return;
    const pauseMs = error.retryAfterSeconds === undefined ? undefined : error.retryAfterSeconds * 1000;
    if (NOT_NOW.has(error.code)) {
      const dueAtMs = error === STOPPING ? now() : now() + (pauseMs ?? NOT_NOW_PAUSE_MS);
      await queue.release(job.id, this.#owner, dueAtMs);
      return;
    }
    if (error.rule.retryable && job.attempts < maxAttempts) {
      log.warn({ jobId: job.id, attempt: job.attempts, code: error.code, err: error.cause }, 'a job failed and is tried again');
      const backoffMs = FIRST_PAUSE_MS * PAUSE_GROWTH ** (job.attempts - 1);
      await queue.retry(job.id, this.#owner, now() + Math.max(pauseMs ?? 0, backoffMs));
      return;
    }
    const atMs = now();
    const told = { code: error.code, message: error.message };
    const failed: JobRecord = { ...job, status: 'failed', endedAtMs: atMs, error: told };
    if (error.rule.httpStatus >= 500) log.error({ jobId: job.id, code: error.code, err: error.cause ?? error }, 'a job failed');
    if (await queue.fail(job.id, this.#owner, told, atMs, this.#callback(failed, undefined), spent)) await this.#ended(failed);
  }

  async #ended(job: JobRecord): Promise<void> {
    try {
      await this.#options.ended(job);
    } catch (error) {
      this.#options.log.warn({ jobId: job.id, err: error }, 'what follows the end of a job failed');
    }
  }

  #callback(job: JobRecord, transcript: Transcript | undefined): CallbackRecord | undefined {
    const { describe, now } = this.#options;
    const url = job.request.callbackUrl;
    if (url === undefined) return undefined;
    const body = JSON.stringify(describe(job, transcript));
    return { id: `evt_${randomUUID()}`, tenantId: job.tenantId, jobId: job.id, url, method: job.request.callbackMethod ?? 'POST', body, attempts: 0, dueAtMs: now() };
  }

  /** Answers how to end it. */
  #renewWhileRunning(job: JobRecord, run: AbortController, progress: () => number): () => void {
    const { queue, clock, now, leaseMs = DEFAULT_LEASE_MS, log } = this.#options;
    let cancel = (): void => undefined;
    let ended = false;
    const renew = async (): Promise<void> => {
      try {
        if (!(await queue.renew(job.id, this.#owner, now() + leaseMs, progress()))) run.abort(LOST);
      } catch (error) {
        log.warn({ jobId: job.id, err: error }, 'a lease could not be renewed');
      }
      if (!ended) again();
    };
    const again = (): void => {
      cancel = clock.setTimer(leaseMs / 3, () => void renew());
    };
    again();
    return () => {
      ended = true;
      cancel();
    };
  }
}
