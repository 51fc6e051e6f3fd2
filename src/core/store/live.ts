import type { Utterance } from '../transcript.ts';
import type { JobRecord } from './jobs.ts';

/** A session that was spoken live and never became a job: its server ended before it did. */
export interface OrphanedSession {
  /** As it was given to `open`. */
  readonly job: JobRecord;
  readonly model: string;
  /** In the order in which they were said. */
  readonly utterances: readonly Utterance[];
}

/** A callback of a session that goes on, in whose order its receiver is told. */
export interface LiveCallback {
  /** `evt_...`: the same in every attempt, so that receivers can ignore repeats. */
  readonly id: string;
  readonly tenantId: string;
  readonly sessionId: string;
  readonly url: string;
  /** JSON text that is signed and sent. */
  readonly body: string;
}

/**
 * What was said in sessions that are still open, and what their receivers are owed, so that it outlives their server. Unlike those of other stores, these verbs may be undone by a loss of power,
 * never by the end of the process. Adding the job ends the record, in the same moment; what is owed stays.
 */
export interface LiveStore {
  /** `job` is what the session becomes, as far as that is known. Throws `SLUG_CONFLICT` if the id is taken. */
  open(job: JobRecord, model: string): Promise<void>;
  /** Adds a final. Nothing happens where no such session is open. */
  say(jobId: string, utterance: Utterance): Promise<void>;
  /** Puts `extra` of the job's request in place of what was there. Nothing happens where no such session is open. */
  annotate(jobId: string, extra: Readonly<Record<string, unknown>>): Promise<void>;
  /** Sessions of all tenants that are open, oldest first: after a start those of the server before. */
  orphans(limit: number): Promise<readonly OrphanedSession[]>;
  /** A callback is owed, behind those that its session owes already. Throws `SLUG_CONFLICT` if the id is taken. */
  owe(callback: LiveCallback): Promise<void>;
  /** It was delivered, or is given up. */
  settle(callbackId: string): Promise<void>;
  /** What is owed by sessions of all tenants, oldest first: after a start that of the server before. */
  owed(limit: number): Promise<readonly LiveCallback[]>;
}
