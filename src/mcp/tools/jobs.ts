import { z } from 'zod';
import { EarshotError } from '../../core/errors.ts';
import type { PageRequest } from '../../core/store/page.ts';
import { tool } from '../tool.ts';
import { formatField, writtenAs } from '../transcript-format.ts';

/** Long lists are read in pages. */
export const pageFields = {
  limit: z.number().int().min(1).max(200).default(20),
  after: z.string().max(500).optional().describe('`next` of the page before.'),
};

export const pageOf = ({ limit, after }: { readonly limit: number; readonly after?: string | undefined }): PageRequest => ({ limit, ...(after !== undefined && { after }) });

export const getJobTool = tool({
  name: 'get_job',
  title: 'Read a job',
  description: 'Tells how far a transcription job is and, once it is completed, its transcript. Live sessions that have ended are jobs too.',
  permission: 'scaiecho:transcribe',
  isReadOnly: true,
  input: z.object({ job_id: z.string().max(100), format: formatField }),
  run: async ({ job_id: id, format }, { services, caller }) => {
    const job = await services.jobs.get(caller.tenantId, id);
    const newest = job.status === 'completed' ? await services.transcripts.get(caller.tenantId, id) : undefined;
    const described = { ...services.describe(job, undefined) };
    return newest ? { data: described, text: writtenAs(newest.transcript, format) } : { data: described };
  },
});

export const listJobsTool = tool({
  name: 'list_jobs',
  title: 'List jobs',
  description: 'Lists transcription jobs, newest first, without their transcripts.',
  permission: 'scaiecho:transcribe',
  isReadOnly: true,
  input: z.object({ ...pageFields, status: z.enum(['queued', 'running', 'completed', 'failed', 'cancelled']).optional() }),
  run: async ({ status, ...page }, { services, caller }) => {
    const found = await services.jobs.list(caller.tenantId, status === undefined ? {} : { status }, pageOf(page));
    return { data: { jobs: found.items.map((job) => services.describe(job, undefined)), next: found.next ?? null } };
  },
});

export const searchTranscriptsTool = tool({
  name: 'search_transcripts',
  title: 'Search transcripts',
  description: 'Finds jobs whose transcript has all of the words, with an excerpt of each. get_job reads the whole.',
  permission: 'scaiecho:transcribe',
  isReadOnly: true,
  input: z.object({ ...pageFields, query: z.string().min(1).max(500) }),
  run: async ({ query, ...page }, { services, caller }) => {
    if (query.trim() === '') throw new EarshotError('VALIDATION_ERROR', 'The query has no words.');
    const found = await services.transcripts.search(caller.tenantId, query, pageOf(page));
    return { data: { results: found.items.map(({ jobId, excerpt }) => ({ job_id: jobId, excerpt })), next: found.next ?? null } };
  },
});
