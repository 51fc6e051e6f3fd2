import type { OpenSession } from '../core/admission.ts';
import type { AudioDecoder } from '../core/audio.ts';
import { EarshotError } from '../core/errors.ts';
import type { Permission, Principal } from '../core/principal.ts';
import type { Session } from '../core/session/session.ts';
import { transcribe } from '../core/session/transcribe.ts';
import type { BlobStore } from '../core/store/blobs.ts';
import type { JobOutcome, JobRecord } from '../core/store/jobs.ts';
import type { UsageRecord } from '../core/store/usage.ts';
import { analysed, type TextAnalyst } from '../core/text-analysis.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { openUrl } from './url-audio.ts';

export interface JobRun {
  /** Ends the run; nothing of it is kept. */
  readonly signal: AbortSignal;
  /** Told how much of the audio has been read, 0 to 1, where its length is known. */
  readonly progress: (share: number) => void;
  /** Told what was heard, by a run that then rejects. */
  readonly spent: (usage: UsageRecord) => void;
}

export interface JobResult {
  readonly outcome: JobOutcome;
  readonly usage: UsageRecord;
}

/** Does a job's work, without a word about it to anybody. Rejects with what went wrong. */
export type RunJob = (job: JobRecord, run: JobRun) => Promise<JobResult>;

export interface JobRunnerOptions {
  readonly openSession: OpenSession;
  readonly decode: AudioDecoder;
  readonly blobs: Pick<BlobStore, 'read'>;
  readonly outbound: Outbound;
  readonly analyst: TextAnalyst;
  /** Largest file taken from an address, in bytes. */
  readonly maxUrlBytes: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Bytes, and how many there will be, where that is known. */
export interface JobAudio {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly totalBytes: number | undefined;
}

/** Source -> decoder -> session -> outcome: the way of an upload, for audio of any length. */
export function createJobRunner(options: JobRunnerOptions): RunJob {
  return async (job, { signal, progress, spent }) => {
    const startedAtMs = options.now();
    const session = await options.openSession(callerOf(job), {
      ...job.request,
      transport: 'job',
      priority: 'batch',
      jobId: job.id,
    });
    let counted: CountedAudio | undefined;
    const usage = (): UsageRecord => usageOf(job, session, counted?.bytes ?? 0, startedAtMs, options.now());
    try {
      signal.throwIfAborted();
      counted = new CountedAudio(await openAudio(job, options, signal), progress);
      const audio = await options.decode(counted, job.request.format ?? { container: 'auto' }, signal);
      const heard = await transcribe(session, audio, { signal });
      // The recognizer is free by now.
      const transcript = await analysed(options.analyst, job.tenantId, heard, job.request.analysis, { priority: 'batch', signal });
      const outcome = {
        transcript,
        backend: session.backend,
        languageDetected: transcript.language ?? null,
        audioMs: transcript.durationMs,
        audioBytes: counted.bytes,
      };
      return { outcome, usage: usage() };
    } catch (error) {
      await session.close('cancelled');
      spent(usage());
      throw signal.aborted ? signal.reason : error;
    } finally {
      await session.close('cancelled');
    }
  };
}

/** The job's owner, with what the job was allowed when it was made. */
function callerOf(job: JobRecord): Principal {
  const permissions: Permission[] = ['scaiecho:transcribe', ...(job.request.diarize === true ? (['scaiecho:diarize'] as const) : [])];
  return { tenantId: job.tenantId, keyId: job.keyId, permissions: new Set(permissions) };
}

async function openAudio(job: JobRecord, options: JobRunnerOptions, signal: AbortSignal): Promise<JobAudio> {
  const { source } = job;
  switch (source.kind) {
    case 'upload':
      return { bytes: options.blobs.read(source.blob), totalBytes: source.bytes };
    case 'url':
      return openUrl(options.outbound, source.url, options.maxUrlBytes, signal);
    case 'live':
      throw new EarshotError('INTERNAL', 'A recorded session has nothing to run.');
  }
}

function usageOf(job: JobRecord, session: Session, audioBytes: number, startedAtMs: number, nowMs: number): UsageRecord {
  const totals = session.totals();
  return {
    id: job.id,
    tenantId: job.tenantId,
    keyId: job.keyId,
    transport: 'job',
    backend: session.backend,
    jobId: job.id,
    atMs: startedAtMs,
    durationMs: Math.max(0, nowMs - startedAtMs),
    audioBytes,
    heardSamples: totals.reduce((sum, lane) => sum + lane.heardSamples, 0),
    speechSamples: totals.reduce((sum, lane) => sum + lane.speechSamples, 0),
  };
}

/** The decoder pulls bytes as the recognizer gets on, so they tell how far it is. */
class CountedAudio implements AsyncIterable<Uint8Array> {
  bytes = 0;
  readonly #audio: JobAudio;
  readonly #progress: (share: number) => void;

  constructor(audio: JobAudio, progress: (share: number) => void) {
    this.#audio = audio;
    this.#progress = progress;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    const { bytes, totalBytes } = this.#audio;
    for await (const chunk of bytes) {
      this.bytes += chunk.length;
      yield chunk;
      if (totalBytes !== undefined && totalBytes > 0) this.#progress(Math.min(1, this.bytes / totalBytes));
    }
  }
}
