import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { JobRecord, JobStore } from '../../core/store/jobs.ts';
import type { GladiaJob } from './job-json.ts';

const PAGE = 200;
/** Jobs that a filter looks through at most. */
const MAX_LISTED = 10_000;

export const listQuery = z.looseObject({
  offset: z.coerce.number().int().min(0).max(MAX_LISTED).default(0),
  limit: z.coerce.number().int().min(1).max(PAGE).default(20),
  date: z.string().optional().describe('Of this day.'),
  before_date: z.string().optional(),
  after_date: z.string().optional(),
  status: z.union([z.string(), z.array(z.string())]).optional().describe('May be repeated.'),
});
export type ListQuery = z.output<typeof listQuery>;

export const listSchema = (item: z.ZodType) => z.object({ first: z.string(), current: z.string(), next: z.string().nullable(), items: z.array(item) });

/** The page that was asked for, with absolute addresses of the others. `find` has the first `count` jobs that pass the filters. */
export async function pageOf<T>(request: FastifyRequest<{ Querystring: ListQuery }>, find: (count: number) => Promise<readonly T[]>): Promise<{ first: string; current: string; next: string | null; items: readonly T[] }> {
  const { offset, limit } = request.query;
  const items = await find(offset + limit + 1);
  const at = (from: number): string => {
    const url = new URL(request.url, `${request.protocol}://${request.host}`);
    url.searchParams.set('offset', String(from));
    url.searchParams.set('limit', String(limit));
    return url.href;
  };
  return { first: at(0), current: at(offset), next: items.length > offset + limit ? at(offset + limit) : null, items: items.slice(offset, offset + limit) };
}

/** Jobs of a dialect that pass the filters, newest first, `count` or somewhat more. */
export async function keptJobs<T extends GladiaJob>(
  jobs: Pick<JobStore, 'list'>,
  { tenantId, dialect }: { readonly tenantId: string; readonly dialect: string },
  passes: (job: GladiaJob) => boolean,
  count: number,
  told: (job: JobRecord) => T,
): Promise<T[]> {
  const found: T[] = [];
  let looked = 0;
  let after: string | undefined;
  do {
    const page = await jobs.list(tenantId, { dialect }, { limit: PAGE, ...(after !== undefined && { after }) });
    found.push(...page.items.map(told).filter(passes));
    looked += page.items.length;
    after = page.next;
  } while (after !== undefined && found.length < count && looked < MAX_LISTED);
  return found;
}

export function filterOf(filters: ListQuery): (job: GladiaJob) => boolean {
  const { date, before_date: before, after_date: afterDate } = filters;
  const statuses = [filters.status ?? []].flat();
  const metadata = Object.entries(filters).flatMap(([name, value]) => {
    const [, key] = /^custom_metadata\[(.+)\]$/.exec(name) ?? [];
    return key === undefined ? [] : [[key, String(value)] as const];
  });
  return (job) =>
    (date === undefined || job.created_at.startsWith(date.slice(0, 10))) &&
    (before === undefined || job.created_at < before) &&
    (afterDate === undefined || job.created_at > afterDate) &&
    (statuses.length === 0 || statuses.includes(job.status)) &&
    metadata.every(([key, value]) => String(job.custom_metadata[key]) === value);
}
