import { EarshotError } from '../../core/errors.ts';
import type { CallbackRecord, JobOutcome, JobRecord, JobStore } from '../../core/store/jobs.ts';
import type { Database, Row } from './database.ts';
import { pageStart, toPage } from './pages.ts';
import { putTranscript } from './transcripts.ts';
import { endReservation, recordUsage } from './usage.ts';

type JobRow = Omit<JobRecord, 'source' | 'request' | 'error'> & { readonly source: string; readonly request: string; readonly error: string | null };

const COLUMNS =
  'id, tenantId, keyId, source, request, status, progress, attempts, dueAtMs, createdAtMs, startedAtMs, endedAtMs, backend, languageDetected, audioMs, audioBytes, error';
const ENDED = 'leaseOwner = NULL, leaseUntilMs = NULL';
/** What only the worker that has the job may change. */
const HELD = "id = :id AND status = 'running' AND leaseOwner = :owner";

export function jobStore(database: Database): JobStore {
  /** Changes a job and does what belongs to the change; or neither, where there is no such job. */
  const change = (sql: string, values: Row, alongWith: () => void): boolean =>
    database.transaction(() => {
      if (database.run(sql, values) === 0) return false;
      alongWith();
      return true;
    });
  return {
    async add(job, { outcome, callback, maxQueued } = {}) {
      database.transaction(() => {
        if (maxQueued !== undefined && countQueued(database, job.tenantId) >= maxQueued) {
          throw new EarshotError('QUOTA_EXCEEDED', `${String(maxQueued)} jobs of this tenant wait already.`);
        }
        database.insert('jobs', toRow(job));
        if (outcome) putTranscript(database, { jobId: job.id, version: 1, createdAtMs: job.endedAtMs ?? job.createdAtMs, editedBy: null, notes: null, transcript: outcome.transcript });
        owe(database, callback);
      });
    },
    async get(tenantId, id) {
      const row = database.get<JobRow>(`SELECT ${COLUMNS} FROM jobs WHERE id = :id AND tenantId = :tenantId`, { tenantId, id });
      return row && toJob(row);
    },
    async list(tenantId, { status = null, dialect = null }, page) {
      const rows = database.all<JobRow>(
        `SELECT ${COLUMNS} FROM jobs WHERE tenantId = :tenantId AND (createdAtMs, id) < (:afterAtMs, :afterId)
           AND (:status IS NULL OR status = :status) AND (:dialect IS NULL OR dialect = :dialect)
         ORDER BY createdAtMs DESC, id DESC LIMIT :limitAndOne`,
        { tenantId, status, dialect, ...pageStart(page) },
      );
      return toPage(rows, page.limit, toJob, ({ createdAtMs, id }) => ({ afterAtMs: createdAtMs, afterId: id }));
    },
    async annotate(tenantId, id, extra) {
      const sql = "UPDATE jobs SET request = json_set(request, '$.extra', json(:extra)) WHERE id = :id AND tenantId = :tenantId";
      return database.run(sql, { tenantId, id, extra: JSON.stringify(extra) }) > 0;
    },
    async delete(tenantId, id) {
      return change('DELETE FROM jobs WHERE id = :id AND tenantId = :tenantId', { tenantId, id }, () => {
        endReservation(database, id);
      });
    },
    async lease(owner, nowMs, leaseMs) {
      const row = database.get<JobRow>(
        `UPDATE jobs SET status = 'running', leaseOwner = :owner, leaseUntilMs = :nowMs + :leaseMs, attempts = attempts + 1,
           startedAtMs = coalesce(startedAtMs, :nowMs)
         WHERE id = coalesce(
           (SELECT id FROM jobs WHERE status = 'running' AND leaseUntilMs <= :nowMs ORDER BY leaseUntilMs LIMIT 1),
           (SELECT id FROM jobs WHERE status = 'queued' AND dueAtMs <= :nowMs ORDER BY dueAtMs, createdAtMs, id LIMIT 1))
         RETURNING ${COLUMNS}`,
        { owner, nowMs, leaseMs },
      );
      return row && toJob(row);
    },
    async renew(id, owner, leaseUntilMs, progress) {
      return database.run(`UPDATE jobs SET leaseUntilMs = :leaseUntilMs, progress = :progress WHERE ${HELD}`, { id, owner, leaseUntilMs, progress }) > 0;
    },
    async complete(id, owner, outcome, usage, atMs, callback) {
      const sql = `UPDATE jobs SET status = 'completed', progress = 1, endedAtMs = :atMs, error = NULL, backend = :backend, audioMs = :audioMs,
        audioBytes = :audioBytes, languageDetected = :languageDetected, ${ENDED} WHERE ${HELD}`;
      return change(sql, { id, owner, atMs, ...numbersOf(outcome) }, () => {
        putTranscript(database, { jobId: id, version: 1, createdAtMs: atMs, editedBy: null, notes: null, transcript: outcome.transcript });
        recordUsage(database, usage);
        owe(database, callback);
      });
    },
    async retry(id, owner, dueAtMs) {
      const sql = `UPDATE jobs SET status = 'queued', progress = 0, dueAtMs = :dueAtMs, ${ENDED} WHERE ${HELD}`;
      return change(sql, { id, owner, dueAtMs }, () => {
        endReservation(database, id);
      });
    },
    async release(id, owner, dueAtMs) {
      const sql = `UPDATE jobs SET status = 'queued', progress = 0, attempts = attempts - 1, dueAtMs = :dueAtMs,
        startedAtMs = iif(attempts > 1, startedAtMs, NULL), ${ENDED} WHERE ${HELD}`;
      return change(sql, { id, owner, dueAtMs }, () => {
        endReservation(database, id);
      });
    },
    async fail(id, owner, error, atMs, callback, usage) {
      const sql = `UPDATE jobs SET status = 'failed', endedAtMs = :atMs, error = :error, ${ENDED} WHERE ${HELD}`;
      return change(sql, { id, owner, atMs, error: JSON.stringify({ code: error.code, message: error.message }) }, () => {
        endReservation(database, id);
        if (usage) recordUsage(database, usage);
        owe(database, callback);
      });
    },
    async cancel(tenantId, id, atMs) {
      const sql = `UPDATE jobs SET status = 'cancelled', endedAtMs = :atMs, ${ENDED} WHERE id = :id AND tenantId = :tenantId AND status IN ('queued', 'running')`;
      return change(sql, { tenantId, id, atMs }, () => {
        endReservation(database, id);
      });
    },
    async endedBefore(beforeMs, limit) {
      return database.all<JobRow>(`SELECT ${COLUMNS} FROM jobs WHERE endedAtMs < :beforeMs ORDER BY endedAtMs, id LIMIT :limit`, { beforeMs, limit }).map(toJob);
    },
    async blobs({ ended }) {
      const rows = database.all<{ readonly blob: string }>(
        `SELECT json_extract(source, '$.blob') AS blob FROM jobs
         WHERE json_extract(source, '$.kind') = 'upload' AND (:ended = 1 OR status IN ('queued', 'running'))`,
        { ended: Number(ended) },
      );
      return rows.map(({ blob }) => blob);
    },
    async countQueued(tenantId) {
      return countQueued(database, tenantId ?? null);
    },
    ...numberVerbs(database),
    ...callbackVerbs(database),
  };
}

function numberVerbs(database: Database): Pick<JobStore, 'numbers' | 'idOf'> {
  const numberOf = (tenantId: string, id: string): number => {
    const find = (): number | undefined => database.get<{ number: number }>('SELECT number FROM jobNumbers WHERE jobId = :id AND tenantId = :tenantId', { id, tenantId })?.number;
    const known = find();
    if (known !== undefined) return known;
    database.insert('jobNumbers', { jobId: id, tenantId });
    return find() ?? 0;
  };
  return {
    async numbers(tenantId, ids) {
      return database.transaction(() => ids.map((id) => numberOf(tenantId, id)));
    },
    async idOf(tenantId, number) {
      return database.get<{ jobId: string }>('SELECT jobId FROM jobNumbers WHERE number = :number AND tenantId = :tenantId', { number, tenantId })?.jobId;
    },
  };
}

function callbackVerbs(database: Database): Pick<JobStore, 'leaseCallbacks' | 'settleCallback'> {
  return {
    async leaseCallbacks(nowMs, leaseMs, limit) {
      const due = database.all<CallbackRecord>(
        `UPDATE callbacks SET dueAtMs = :nowMs + :leaseMs
         WHERE id IN (SELECT id FROM callbacks WHERE dueAtMs <= :nowMs ORDER BY dueAtMs, id LIMIT :limit) RETURNING *`,
        { nowMs, leaseMs, limit },
      );
      return due.sort((a, b) => a.id.localeCompare(b.id));
    },
    async settleCallback(id, retryAtMs) {
      if (retryAtMs === null) database.run('DELETE FROM callbacks WHERE id = :id', { id });
      else database.run('UPDATE callbacks SET dueAtMs = :retryAtMs, attempts = attempts + 1 WHERE id = :id', { id, retryAtMs });
    },
  };
}

function countQueued(database: Database, tenantId: string | null): number {
  const row = database.get<{ waiting: number }>("SELECT count(*) AS waiting FROM jobs WHERE status = 'queued' AND (:tenantId IS NULL OR tenantId = :tenantId)", { tenantId });
  return row?.waiting ?? 0;
}

function owe(database: Database, callback: CallbackRecord | undefined): void {
  if (callback) database.insert('callbacks', { ...callback });
}

const numbersOf = ({ backend, audioMs, audioBytes, languageDetected }: JobOutcome): Row => ({ backend, audioMs, audioBytes, languageDetected });

function toRow(job: JobRecord): Row {
  return {
    ...job,
    source: JSON.stringify(job.source),
    request: JSON.stringify(job.request),
    error: job.error && JSON.stringify(job.error),
    dialect: job.request.dialect ?? null,
  };
}

const toJob = (row: JobRow): JobRecord => ({
  ...row,
  source: JSON.parse(row.source) as JobRecord['source'],
  request: JSON.parse(row.request) as JobRecord['request'],
  error: row.error === null ? null : (JSON.parse(row.error) as JobRecord['error']),
});
