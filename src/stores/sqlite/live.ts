import type { LiveCallback, LiveStore } from '../../core/store/live.ts';
import type { JobRecord } from '../../core/store/jobs.ts';
import type { Utterance } from '../../core/transcript.ts';
import type { Database } from './database.ts';

interface LiveRow {
  readonly id: string;
  readonly job: string;
  readonly model: string;
}

export function liveStore(database: Database): LiveStore {
  return {
    async open(job, model) {
      database.hastily(() => {
        database.insert('liveSessions', { id: job.id, openedAtMs: job.createdAtMs, job: JSON.stringify(job), model });
      });
    },
    async say(jobId, utterance) {
      database.hastily(() => {
        database.run('INSERT INTO liveUtterances (sessionId, utterance) SELECT id, :utterance FROM liveSessions WHERE id = :jobId', { jobId, utterance: JSON.stringify(utterance) });
      });
    },
    async annotate(jobId, extra) {
      database.hastily(() => {
        database.run("UPDATE liveSessions SET job = json_set(job, '$.request.extra', json(:extra)) WHERE id = :jobId", { jobId, extra: JSON.stringify(extra) });
      });
    },
    async orphans(limit) {
      const rows = database.all<LiveRow>('SELECT id, job, model FROM liveSessions ORDER BY openedAtMs, id LIMIT :limit', { limit });
      return rows.map(({ id, job, model }) => {
        const said = database.all<{ readonly utterance: string }>('SELECT utterance FROM liveUtterances WHERE sessionId = :id ORDER BY number', { id });
        return { job: JSON.parse(job) as JobRecord, model, utterances: said.map(({ utterance }) => JSON.parse(utterance) as Utterance) };
      });
    },
    async owe(callback) {
      database.hastily(() => {
        database.insert('liveCallbacks', { ...callback });
      });
    },
    async settle(id) {
      database.hastily(() => {
        database.run('DELETE FROM liveCallbacks WHERE id = :id', { id });
      });
    },
    async owed(limit) {
      return database.all<LiveCallback>('SELECT id, tenantId, sessionId, url, body FROM liveCallbacks ORDER BY number LIMIT :limit', { limit });
    },
  };
}
