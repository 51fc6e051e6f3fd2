import type { Transcript } from '../core/session/transcribe.ts';
import type { JobRecord } from '../core/store/jobs.ts';

/** A job as a client is told of it: the body of a callback, in the shape of the dialect that made the job. */
export type DescribeJob = (job: JobRecord, transcript: Transcript | undefined) => object;
