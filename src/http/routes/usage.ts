import { z } from 'zod';
import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import type { UsageSum } from '../../core/store/usage.ts';
import { okBody } from '../envelope.ts';
import { answer, route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';

const GROUPS = ['day', 'key', 'backend', 'transport'] as const;
const DAY_MS = 24 * 3600_000;
const DEFAULT_DAYS = 30;

/** A moment, or a day that stands for its first moment. */
const moment = z.union([z.iso.datetime({ offset: true }), z.iso.date()]);

const usageQuery = z.object({
  from: moment.optional().describe(`First moment, or first day (UTC), of the calls' beginning. Default: ${String(DEFAULT_DAYS)} days before \`to\`.`),
  to: moment.optional().describe('First moment, or first day, that is not counted any more. Default: now.'),
  group_by: z
    .string()
    .default('day')
    .transform((text) => text.split(',').filter((name) => name !== ''))
    .pipe(z.array(z.enum(GROUPS)))
    .describe('Any of `day`, `key`, `backend` and `transport`, with commas; empty for one sum.'),
  format: z.enum(['json', 'csv']).default('json'),
});

const rowSchema = z.object({
  day: z.iso.date().optional(),
  key_id: z.string().optional(),
  backend: z.string().optional(),
  transport: z.string().optional(),
  calls: z.number().int(),
  heard_seconds: z.number().describe('All lanes, gaps included: what is counted against budgets.'),
  speech_seconds: z.number().describe('Of these, with speech.'),
  silent_seconds: z.number(),
  heard_samples: z.number().int().describe('The same to the sample, at 16 kHz.'),
  audio_bytes: z.number().int().describe('As sent; WebRTC is not counted.'),
  duration_seconds: z.number().describe('Wall time of the calls.'),
});

type Row = z.output<typeof rowSchema>;

const auditQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  after: z.string().max(400).optional().describe('The `next` of an earlier page.'),
});

const auditSchema = z.object({
  records: z.array(
    z.object({
      at: z.iso.datetime(),
      key_id: z.string().describe('Who did it.'),
      action: z.string(),
      subject: z.string().describe('To what.'),
      details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    }),
  ),
  next: z.string().nullable().describe('Opens the following page; null on the last.'),
});

const USAGE = route('scaiecho:admin', {
  tag: 'Usage',
  summary: 'What was heard, summed up',
  querystring: usageQuery,
  response: { 200: answer(z.object({ from: z.iso.datetime(), to: z.iso.datetime(), usage: z.array(rowSchema) })) },
  texts: ['text/csv'],
});
const AUDIT = route('scaiecho:admin', {
  tag: 'Usage',
  summary: 'Who did what to keys, policies, speakers and jobs, newest first',
  querystring: auditQuery,
  response: { 200: answer(auditSchema) },
});

/** What the tenant of the caller used, and what was done in it. */
export function usageRoutes(app: Routes, { usage, audit }: HttpServices): void {
  app.get(`${NATIVE_BASE}/usage`, USAGE, async (request, reply) => {
    const { from, to, group_by: groupBy, format } = request.query;
    const toMs = to === undefined ? Date.now() : Date.parse(to);
    const fromMs = from === undefined ? toMs - DEFAULT_DAYS * DAY_MS : Date.parse(from);
    const rows = (await usage.sum(request.caller.tenantId, { fromMs, toMs, groupBy })).map(toRow);
    if (format === 'csv') return reply.type('text/csv; charset=utf-8').send(csv(rows, groupBy));
    return okBody({ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), usage: rows }, request.id);
  });

  app.get(`${NATIVE_BASE}/audit`, AUDIT, async (request) => {
    const { limit, after } = request.query;
    const { items, next } = await audit.list(request.caller.tenantId, { limit, ...(after !== undefined && { after }) });
    const records = items.map(({ atMs, keyId, action, subject, details }) => ({ at: new Date(atMs).toISOString(), key_id: keyId, action, subject, details }));
    return okBody({ records, next: next ?? null }, request.id);
  });
}

function toRow(sum: UsageSum): Row {
  return {
    ...(sum.day !== undefined && { day: sum.day }),
    ...(sum.keyId !== undefined && { key_id: sum.keyId }),
    ...(sum.backend !== undefined && { backend: sum.backend }),
    ...(sum.transport !== undefined && { transport: sum.transport }),
    calls: sum.calls,
    heard_seconds: sum.heardSamples / SAMPLE_RATE_HZ,
    speech_seconds: sum.speechSamples / SAMPLE_RATE_HZ,
    silent_seconds: (sum.heardSamples - sum.speechSamples) / SAMPLE_RATE_HZ,
    heard_samples: sum.heardSamples,
    audio_bytes: sum.audioBytes,
    duration_seconds: sum.durationMs / 1000,
  };
}

const COLUMNS = ['calls', 'heard_seconds', 'speech_seconds', 'silent_seconds', 'heard_samples', 'audio_bytes', 'duration_seconds'] as const;
const GROUP_COLUMNS = { day: 'day', key: 'key_id', backend: 'backend', transport: 'transport' } as const;

/** RFC 4180. */
function csv(rows: readonly Row[], groupBy: readonly (typeof GROUPS)[number][]): string {
  const columns = [...GROUPS.filter((group) => groupBy.includes(group)).map((group) => GROUP_COLUMNS[group]), ...COLUMNS];
  return [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((line) => `${line.map(cell).join(',')}\r\n`).join('');
}

function cell(value: string | number | undefined): string {
  const text = String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
