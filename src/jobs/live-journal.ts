import type { JobRecord } from '../core/store/jobs.ts';
import type { LiveStore } from '../core/store/live.ts';
import type { Session } from '../core/session/session.ts';

export interface LiveJournalOptions {
  readonly live: LiveStore;
  /** Words kept of one session; what comes after is not. Default 300 000, some thirty hours of speech. */
  readonly maxWords?: number;
  readonly log: { error(fields: object, message: string): void };
}

export const DEFAULT_MAX_WORDS = 300_000;

/**
 * Keeps a session from its start: a final is kept before anybody is told of it. `job` is what the session becomes when it ends; adding the job of this id ends what is kept here. Where the
 * store fails, the session goes on, and the log says so.
 */
export function keepFromStart(session: Session, job: JobRecord, { live, maxWords = DEFAULT_MAX_WORDS, log }: LiveJournalOptions): void {
  const opened = live.open(job, session.model);
  let words = 0;
  const fault = (err: unknown): void => {
    log.error({ sessionId: session.id, err }, 'what is said in a session is not kept until it ends');
  };
  opened.catch(fault);
  session.keepFinals(async (utterance) => {
    words += utterance.words.length;
    if (words > maxWords) return;
    await opened.then(() => live.say(job.id, utterance).catch(fault), () => undefined);
  });
}
