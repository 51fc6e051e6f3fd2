import type { Clock } from '../core/clock.ts';
import type { BlobStore } from '../core/store/blobs.ts';
import type { JobStore } from '../core/store/jobs.ts';

export interface RetentionOptions {
  readonly jobs: Pick<JobStore, 'endedBefore' | 'delete'>;
  readonly blobs: Pick<BlobStore, 'delete'>;
  /** Days after its end that a job is kept. */
  readonly days: number;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: { error(fields: object, message: string): void };
}

const HOUR_MS = 3600_000;
const BATCH = 100;

/** Deletes jobs that ended too long ago, with transcripts and audio: at the start and every hour. */
export class Retention {
  readonly #options: RetentionOptions;
  #cancel = (): void => undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#closed) return;
    this.#sweeping = this.#sweep().catch((error: unknown) => {
      this.#options.log.error({ err: error }, 'old jobs could not be deleted');
    });
    this.#cancel = this.#options.clock.setTimer(HOUR_MS, () => {
      this.start();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { jobs, blobs, days, now } = this.#options;
    for (let some = true; some && !this.#closed; ) {
      const old = await jobs.endedBefore(now() - days * 24 * HOUR_MS, BATCH);
      for (const { tenantId, id, source } of old) {
        if (source.kind === 'upload') await blobs.delete(source.blob);
        await jobs.delete(tenantId, id);
      }
      some = old.length === BATCH;
    }
  }
}
