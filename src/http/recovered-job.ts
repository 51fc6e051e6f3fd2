import type { JobRecord } from '../core/store/jobs.ts';
import type { RecoveredJob } from '../jobs/session-recorder.ts';
import { recoveredLiveJob } from './gladia/live-record.ts';

/** By the dialect in which a session was spoken, where its record has a shape of its own. */
const BY_DIALECT = new Map<string | undefined, RecoveredJob>([['gladia', recoveredLiveJob]]);

/** The job of a session that its server did not live to end, with all that the dialect's answers need. */
export const recoveredJob: RecoveredJob = (job, utterances): JobRecord => BY_DIALECT.get(job.request.dialect)?.(job, utterances) ?? job;
