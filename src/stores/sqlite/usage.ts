import type { BudgetAccount, Balance, UsageQuery, UsageRecord, UsageStore, UsageSum } from '../../core/store/usage.ts';
import type { Database } from './database.ts';

/** What a sum may be grouped by, and how a row tells it. */
const GROUPS: Readonly<Record<UsageQuery['groupBy'][number], string>> = {
  day: "strftime('%Y-%m-%d', atMs / 1000, 'unixepoch') AS day",
  key: 'keyId',
  backend: 'backend',
  transport: 'transport',
};

export function usageStore(database: Database): UsageStore {
  return {
    async note(usage, reservationId) {
      database.hastily(() => {
        database.run('INSERT INTO usageNotes VALUES (:id, :usage, :reservationId) ON CONFLICT DO UPDATE SET usage = excluded.usage', {
          id: usage.id,
          usage: JSON.stringify(usage),
          reservationId: reservationId ?? null,
        });
      });
    },
    async recordNoted() {
      return database.transaction(() => {
        const notes = database.all<{ readonly usage: string; readonly reservationId: string | null }>('SELECT usage, reservationId FROM usageNotes');
        for (const { usage, reservationId } of notes) {
          if (reservationId !== null) endReservation(database, reservationId);
          recordUsage(database, JSON.parse(usage) as UsageRecord);
        }
        return notes.length;
      });
    },
    async record(usage, reservationId) {
      database.transaction(() => {
        if (reservationId !== undefined) endReservation(database, reservationId);
        recordUsage(database, usage);
      });
    },
    async sum(tenantId, { fromMs, toMs, groupBy }) {
      const groups = (['day', 'key', 'backend', 'transport'] as const).filter((group) => groupBy.includes(group));
      const columns = groups.map((group) => `${GROUPS[group]}, `).join('');
      const order = groups.map((_, index) => String(index + 1)).join(', ');
      return database.all<UsageSum>(
        `SELECT ${columns} count(*) AS calls, coalesce(sum(heardSamples), 0) AS heardSamples, coalesce(sum(speechSamples), 0) AS speechSamples,
           coalesce(sum(audioBytes), 0) AS audioBytes, coalesce(sum(durationMs), 0) AS durationMs
         FROM usage WHERE tenantId = :tenantId AND atMs >= :fromMs AND atMs < :toMs ${order && `GROUP BY ${order} ORDER BY ${order}`}`,
        { tenantId, fromMs, toMs },
      );
    },
    async reserve({ id, limits, samples, nowMs, untilMs }) {
      return database.transaction(() => {
        const before = limits.map((limit) => ({ limit, ...balanceOf(database, limit, nowMs), held: heldBy(database, id, limit, nowMs) }));
        const mayHold = before.map(({ limit, held, spentSamples, reservedSamples }) => held + Math.max(0, limit.limitSamples - spentSamples - reservedSamples));
        const heldSamples = Math.min(samples, ...mayHold);
        const balances = before.map(({ limit, held, spentSamples, reservedSamples }) => {
          const holds = Math.max(held, heldSamples);
          if (holds > 0) hold(database, id, limit, holds, untilMs);
          return { spentSamples, reservedSamples: reservedSamples - held + holds };
        });
        return { heldSamples: Math.max(heldSamples, ...(before.length > 0 ? [Math.min(...before.map(({ held }) => held))] : [])), balances };
      });
    },
    async release(id, heir) {
      database.transaction(() => {
        const accounts = endReservation(database, id);
        if (!heir || heir.samples === 0) return;
        for (const account of accounts) hold(database, heir.id, account, heldBy(database, heir.id, account, 0) + heir.samples, heir.untilMs);
      });
    },
    async balance(account, nowMs) {
      return balanceOf(database, account, nowMs);
    },
  };
}

/** Inside a transaction: the record, the sums that budgets are checked against, and the end of the reservation. */
export function recordUsage(database: Database, usage: UsageRecord): void {
  endReservation(database, usage.id);
  database.run('DELETE FROM usageNotes WHERE id = :id', { id: usage.id });
  if (database.get('SELECT 1 FROM usage WHERE id = :id', { id: usage.id })) return;
  const { id, tenantId, keyId, transport, backend, jobId, atMs, durationMs, audioBytes, heardSamples, speechSamples } = usage;
  database.insert('usage', { id, tenantId, keyId, transport, backend, jobId, atMs, durationMs, audioBytes, heardSamples, speechSamples });
  const day = new Date(atMs).toISOString().slice(0, 10);
  for (const period of [day, day.slice(0, 7)]) {
    for (const [owner, account] of [['tenant', tenantId], ['key', keyId]] as const) {
      database.run(
        'INSERT INTO spent VALUES (:owner, :account, :period, :heardSamples) ON CONFLICT DO UPDATE SET samples = samples + excluded.samples',
        { owner, account, period, heardSamples },
      );
    }
  }
}

/** Inside a transaction. Answers the accounts that it was held in. */
export function endReservation(database: Database, id: string): BudgetAccount[] {
  return database.all<BudgetAccount>('DELETE FROM reservations WHERE id = :id RETURNING owner, accountId AS id, period', { id });
}

function balanceOf(database: Database, { owner, id, period }: BudgetAccount, nowMs: number): Balance {
  const row = database.get<Balance>(
    `SELECT coalesce((SELECT samples FROM spent WHERE owner = :owner AND id = :id AND period = :period), 0) AS spentSamples,
       coalesce((SELECT sum(samples) FROM reservations WHERE owner = :owner AND accountId = :id AND period = :period AND untilMs > :nowMs), 0) AS reservedSamples`,
    { owner, id, period, nowMs },
  );
  return row ?? { spentSamples: 0, reservedSamples: 0 };
}

/** What an unexpired reservation holds of an account. */
function heldBy(database: Database, reservation: string, { owner, id, period }: BudgetAccount, nowMs: number): number {
  const row = database.get<{ samples: number }>(
    'SELECT samples FROM reservations WHERE id = :reservation AND owner = :owner AND accountId = :id AND period = :period AND untilMs > :nowMs',
    { reservation, owner, id, period, nowMs },
  );
  return row?.samples ?? 0;
}

function hold(database: Database, reservation: string, { owner, id, period }: BudgetAccount, samples: number, untilMs: number): void {
  database.run(
    `INSERT INTO reservations VALUES (:reservation, :owner, :id, :period, :samples, :untilMs)
     ON CONFLICT DO UPDATE SET samples = excluded.samples, untilMs = max(untilMs, excluded.untilMs)`,
    { reservation, owner, id, period, samples, untilMs },
  );
}
