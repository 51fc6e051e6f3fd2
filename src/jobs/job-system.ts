import type { OpenSession } from '../core/admission.ts';
import type { AudioDecoder } from '../core/audio.ts';
import type { Clock } from '../core/clock.ts';
import type { Store } from '../core/store.ts';
import type { TextAnalyst } from '../core/text-analysis.ts';
import type { BlobStore } from '../core/store/blobs.ts';
import type { JobRecord } from '../core/store/jobs.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { CallbackSender } from './callback-sender.ts';
import { signedHeaders } from './callback-attempt.ts';
import { Hourly } from './hourly.ts';
import type { DescribeJob } from './job-description.ts';
import { JobWorkers } from './job-workers.ts';
import { Jobs } from './jobs.ts';
import { deleteOrphanBlobs } from './orphan-blobs.ts';
import { Retention } from './retention.ts';
import { createJobRunner } from './run-job.ts';
import type { WebhookSecrets } from './webhook-secrets.ts';
import type { Webhooks } from './webhooks.ts';

export interface JobSystemOptions {
  readonly store: Pick<Store, 'jobs' | 'transcripts' | 'tenants' | 'usage' | 'audit'>;
  readonly blobs: BlobStore;
  readonly openSession: OpenSession;
  readonly decode: AudioDecoder;
  readonly outbound: Outbound;
  readonly analyst: TextAnalyst;
  readonly secrets: WebhookSecrets;
  readonly webhooks: Webhooks;
  readonly describe: DescribeJob;
  /** Jobs worked on at a time. */
  readonly workers: number;
  /** Waiting jobs of one tenant. */
  readonly maxQueuedJobs: number;
  /** Largest file, uploaded or at an address, in bytes. */
  readonly maxUploadBytes: number;
  /** Keep the audio of a job until the job is deleted; else it goes when the job has ended. */
  readonly keepAudio: boolean;
  /** 0: for ever. */
  readonly retentionDays: number;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
}

/** Everything about jobs that runs by itself. */
export interface JobSystem {
  readonly jobs: Jobs;
  start(): void;
  /** Gives running jobs back to the queue, and what is owed stays owed. Idempotent. */
  close(): Promise<void>;
}

export function createJobSystem(options: JobSystemOptions): JobSystem {
  const { store, blobs, outbound, secrets, webhooks, clock, now, log } = options;
  const sender = new CallbackSender({
    outbox: store.jobs,
    outbound,
    headersOf: (callback) => signedHeaders({ secretOf: (tenantId) => secrets.get(tenantId), now }, callback),
    clock,
    now,
    log,
  });
  const workers = new JobWorkers({
    queue: store.jobs,
    run: createJobRunner({ openSession: options.openSession, decode: options.decode, blobs, outbound, analyst: options.analyst, maxUrlBytes: options.maxUploadBytes, now }),
    describe: options.describe,
    clock,
    now,
    concurrency: options.workers,
    record: (usage) => store.usage.record(usage),
    ended: async ({ source, request }: JobRecord) => {
      if (request.callbackUrl !== undefined) sender.wake();
      webhooks.wake();
      if (source.kind === 'upload' && !options.keepAudio) await blobs.delete(source.blob);
    },
    log,
  });
  const retention = options.retentionDays > 0 ? new Retention({ jobs: store.jobs, blobs, days: options.retentionDays, clock, now, log }) : undefined;
  const jobs = new Jobs({
    store: store.jobs,
    transcripts: store.transcripts,
    audit: store.audit,
    blobs,
    outbound,
    maxQueuedJobs: options.maxQueuedJobs,
    now,
    added: () => {
      workers.wake();
    },
    dropped: (id) => {
      workers.drop(id);
      webhooks.wake();
    },
  });
  const sweeper = new Hourly(clock, () => sweep(options));
  return {
    jobs,
    start: () => {
      sweeper.start();
      workers.start();
      sender.start();
      webhooks.start();
      retention?.start();
    },
    close: async () => {
      await workers.close();
      await Promise.all([sender.close(), webhooks.close(), retention?.close(), sweeper.close()]);
    },
  };
}

/** Never rejects. */
async function sweep({ store, blobs, keepAudio, now, log }: JobSystemOptions): Promise<void> {
  try {
    const deleted = await deleteOrphanBlobs({ jobs: store.jobs, blobs, keepAudio, now });
    if (deleted > 0) log.warn({ deleted }, 'audio that no job has was deleted');
  } catch (error) {
    log.error({ err: error }, 'audio that no job has could not be deleted');
  }
}
