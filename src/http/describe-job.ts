import type { DescribeJob } from '../jobs/job-description.ts';
import { describeRecordedJob, RECORDED } from './gladia/recorded-job.ts';
import { jobJson } from './job-json.ts';
import { describeDeepgramJob } from './routes/deepgram.ts';
import { describePulseJob } from './routes/pulse.ts';

/** By the dialect in which a job was made; the native shape for all others. */
const BY_DIALECT = new Map<string | undefined, DescribeJob>([
  ['deepgram', describeDeepgramJob],
  ['pulse', describePulseJob],
  [RECORDED, describeRecordedJob],
]);

/** The body of a callback, in the shape that its receiver knows. */
export const describeJob: DescribeJob = (job, transcript) => (BY_DIALECT.get(job.request.dialect) ?? jobJson)(job, transcript);
