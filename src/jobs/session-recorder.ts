import { samplesToMs } from '../core/audio.ts';
import type { AdmissionGuard, SessionWish } from '../core/admission.ts';
import type { Principal } from '../core/principal.ts';
import type { Session } from '../core/session/session.ts';
import type { Transcript } from '../core/session/transcribe.ts';
import type { JobRecord, JobStore } from '../core/store/jobs.ts';
import type { LiveStore, OrphanedSession } from '../core/store/live.ts';
import type { NumberedEvent, Utterance } from '../core/transcript.ts';
import { DEFAULT_MAX_WORDS, keepFromStart } from './live-journal.ts';

/** The job of a session that its server did not live to end, made complete from what was final in it. */
export type RecoveredJob = (job: JobRecord, utterances: readonly Utterance[]) => JobRecord;

export interface SessionRecorderOptions {
  readonly jobs: Pick<JobStore, 'add'>;
  /** Keeps what is said while it is said. */
  readonly live: LiveStore;
  /** Default: the job as it is. */
  readonly recovered?: RecoveredJob;
  /** A job was written. */
  readonly written?: () => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Words kept of one session; what comes after is not recorded. Default 300 000, some thirty hours of speech. */
  readonly maxWords?: number;
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
}

/** A live session of this process whose job is not written yet. */
export interface RecordedSession {
  readonly session: Session;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  /** Never rejects. */
  readonly written: Promise<void>;
}

const RECOVERED_AT_A_TIME = 100;

type Closed = Extract<NumberedEvent, { readonly type: 'session.closed' }>;

/**
 * Turns every session that is not a job's own into a completed job when it ends, however it ends: the transcript of what was heard
 * until then. The job's id is the session's `jobId`; sessions without one are not recorded.
 *
 * A final is kept before anybody is told of it, so that it outlives the server: `recover` makes jobs of the sessions that the server before did not
 * live to end.
 */
export class SessionRecorder {
  readonly #options: SessionRecorderOptions;
  readonly #writing = new Set<Promise<void>>();
  readonly #live = new Map<string, RecordedSession>();

  constructor(options: SessionRecorderOptions) {
    this.#options = options;
  }

  /** Follows what is spoken live; a recording's transcript is handed in by `record`, a job is written by its worker. */
  readonly guard: AdmissionGuard = (caller, wish) =>
    Promise.resolve((session) => {
      if (session?.jobId === undefined || wish.priority !== 'live') return;
      const startedAtMs = this.#options.now();
      const { jobId } = session;
      this.#keepWhatIsSaid(session, jobId, caller, wish, startedAtMs);
      const writing = this.#follow(session, caller, wish, startedAtMs).finally(() => {
        this.#writing.delete(writing);
        this.#live.delete(jobId);
      });
      this.#writing.add(writing);
      this.#live.set(jobId, { session, startedAtMs, written: writing });
    });

  /** For the start, before anybody is served. Never rejects: what cannot be recovered is left for the next start. */
  async recover(): Promise<void> {
    const { live, log } = this.#options;
    try {
      for (let orphans = await live.orphans(RECOVERED_AT_A_TIME); orphans.length > 0; orphans = await live.orphans(RECOVERED_AT_A_TIME)) {
        for (const orphan of orphans) await this.#options.jobs.add(...endedByCrash(orphan, this.#options.now(), this.#options.recovered));
        log.warn({ sessions: orphans.length }, 'sessions that the server before did not end are kept as jobs, with what was final');
      }
    } catch (error) {
      log.error({ err: error }, 'sessions that the server before did not end could not be recovered');
    }
  }

  /** The session, of whatever tenant, that is to become this job, until it is written; undefined for all others. */
  following(jobId: string): RecordedSession | undefined {
    return this.#live.get(jobId);
  }

  /** Keeps the transcript of a recording that was answered at once. Resolves when it can be asked for; never rejects. */
  async record(session: Session, caller: Principal, wish: SessionWish, transcript: Transcript, audioBytes: number, startedAtMs: number): Promise<void> {
    await this.#write(session, caller, wish, { transcript, audioBytes, error: null, startedAtMs });
  }

  /** Resolves once everything that has ended is written. */
  async settled(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing);
  }

  #keepWhatIsSaid(session: Session, jobId: string, caller: Principal, wish: SessionWish, startedAtMs: number): void {
    const job: JobRecord = { ...liveJob(jobId, caller, wish, startedAtMs, null), backend: session.backend, languageDetected: session.language ?? null, audioMs: null, audioBytes: null, error: null, status: 'running' };
    keepFromStart(session, job, this.#options);
  }

  /** Never rejects. */
  async #follow(session: Session, caller: Principal, wish: SessionWish, startedAtMs: number): Promise<void> {
    try {
      const { utterances, closed } = await this.#listen(session);
      const { backend, model, language } = session;
      const durationMs = samplesToMs(Math.max(0, ...(closed?.lanes ?? []).map((lane) => lane.heardSamples)));
      const transcript: Transcript = {
        utterances: inOrder(utterances),
        backend,
        model,
        ...(language !== undefined && { language }),
        durationMs,
      };
      await this.#write(session, caller, wish, { transcript, audioBytes: session.audioBytes, error: closed?.error ?? null, startedAtMs });
    } catch (error) {
      this.#options.log.error({ sessionId: session.id, err: error }, 'a session could not be followed');
    }
  }

  async #listen(session: Session): Promise<{ utterances: Utterance[]; closed: Closed | undefined }> {
    const { maxWords = DEFAULT_MAX_WORDS, log } = this.#options;
    const utterances: Utterance[] = [];
    let words = 0;
    let closed: Closed | undefined;
    for await (const event of session.events()) {
      if (event.type === 'session.closed') closed = event;
      if (event.type !== 'utterance.final' || event.utterance.words.length === 0 || words > maxWords) continue;
      words += event.utterance.words.length;
      if (words > maxWords) log.warn({ sessionId: session.id }, 'a session is longer than what is kept of one');
      else utterances.push(event.utterance);
    }
    return { utterances, closed };
  }

  async #write(session: Session, caller: Principal, wish: SessionWish, kept: Kept): Promise<void> {
    if (session.jobId === undefined) return;
    const { transcript, audioBytes, error } = kept;
    const numbers = { backend: session.backend, languageDetected: transcript.language ?? null, audioMs: transcript.durationMs, audioBytes };
    const failed = error !== null && transcript.utterances.length === 0;
    const job = { ...liveJob(session.jobId, caller, wish, kept.startedAtMs, this.#options.now()), ...numbers, error, status: failed ? 'failed' : 'completed' } as const;
    try {
      await this.#options.jobs.add(job, failed ? {} : { outcome: { transcript, ...numbers } });
      this.#options.written?.();
    } catch (cause) {
      this.#options.log.error({ sessionId: session.id, jobId: session.jobId, err: cause }, 'a session could not be kept');
    }
  }
}

interface Kept {
  readonly transcript: Transcript;
  readonly audioBytes: number | null;
  /** What ended the session before its time. */
  readonly error: JobRecord['error'];
  readonly startedAtMs: number;
}

function liveJob(id: string, caller: Principal, wish: SessionWish, startedAtMs: number, endedAtMs: number | null): Omit<JobRecord, 'status' | 'error' | 'backend' | 'languageDetected' | 'audioMs' | 'audioBytes'> {
  const { transport, language, model, backendPreference, diarize } = wish;
  return {
    id,
    tenantId: caller.tenantId,
    keyId: caller.keyId,
    source: { kind: 'live', transport },
    request: {
      ...(language !== undefined && { language }),
      ...(model !== undefined && { model }),
      ...(backendPreference !== undefined && { backendPreference }),
      ...(diarize !== undefined && { diarize }),
    },
    progress: 1,
    attempts: 1,
    dueAtMs: startedAtMs,
    createdAtMs: startedAtMs,
    startedAtMs,
    endedAtMs,
  };
}

/** The job of a session that ended with its server, for `add`. */
function endedByCrash({ job, model, utterances: said }: OrphanedSession, nowMs: number, recovered: RecoveredJob = (whole) => whole): Parameters<JobStore['add']> {
  const utterances = inOrder(said);
  const error = { code: 'SERVER_STOPPING', message: 'The server ended before the session did.' } as const;
  const durationMs = samplesToMs(Math.max(0, ...utterances.map(({ endSample }) => endSample)));
  const ended = recovered({ ...job, error, audioMs: durationMs, endedAtMs: Math.max(nowMs, job.createdAtMs) }, utterances);
  const { backend, languageDetected } = job;
  if (utterances.length === 0 || backend === null) return [{ ...ended, status: 'failed' }];
  const transcript: Transcript = { utterances, backend, model, ...(languageDetected !== null && { language: languageDetected }), durationMs };
  return [{ ...ended, status: 'completed' }, { outcome: { transcript, backend, languageDetected, audioMs: durationMs, audioBytes: null } }];
}

const inOrder = (utterances: readonly Utterance[]): Utterance[] => utterances.toSorted((a, b) => a.startSample - b.startSample || a.laneIndex - b.laneIndex);
