import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { Store } from '../core/store.ts';
import { runStoreCheck, storeChecks, storeConformance, type StoreSubject } from './conformance.ts';
import { openSqliteStore } from './sqlite.ts';

async function sqliteSubject(breakIt: (store: Store) => Store = (store) => store): Promise<StoreSubject> {
  const folder = await mkdtemp(join(tmpdir(), 'earshot-store-'));
  return { open: async () => breakIt(await openSqliteStore(join(folder, 'x.sqlite'))), dispose: () => rm(folder, { recursive: true }) };
}

storeConformance('SQLite', () => sqliteSubject());

/** The good store with one fault, and the check that must see it. */
const FAULTS: Readonly<Record<string, { readonly caughtBy: RegExp; readonly breakIt: (store: Store) => Store }>> = {
  'a key of another tenant is shown': {
    caughtBy: /^a key is found/,
    breakIt: (store) => ({ ...store, keys: { ...store.keys, get: (_tenant, id) => store.keys.get('t1', id) } }),
  },
  'a second revocation changes the time': {
    caughtBy: /^a revoked key/,
    breakIt: (store) => ({
      ...store,
      keys: { ...store.keys, get: async (...of) => store.keys.get(...of).then((key) => key && { ...key, revokedAtMs: key.revokedAtMs && 9 }) },
    }),
  },
  'two workers get one job': {
    caughtBy: /^the oldest due job/,
    breakIt: (store) => {
      let last: ReturnType<typeof store.jobs.lease> | undefined;
      return { ...store, jobs: { ...store.jobs, lease: async (...of) => (await (last ??= store.jobs.lease(...of))) ?? store.jobs.lease(...of) } };
    },
  },
  'a worker that lost its job completes it': {
    caughtBy: /^a lease that ran out/,
    breakIt: (store) => ({ ...store, jobs: { ...store.jobs, complete: (id, _owner, ...rest) => store.jobs.complete(id, 'w2', ...rest) } }),
  },
  'a usage record of a job gets lost': {
    caughtBy: /^completing leaves/,
    breakIt: (store) => ({ ...store, usage: { ...store.usage, sum: async () => [{ calls: 0, heardSamples: 0, speechSamples: 0, audioBytes: 0, durationMs: 0 }] } }),
  },
  'a job has another number each time': {
    caughtBy: /^a job has a number/,
    breakIt: (store) => {
      let last = 100;
      return { ...store, jobs: { ...store.jobs, numbers: async (_tenant, ids) => ids.map(() => (last += 1)) } };
    },
  },
  'a callback is forgotten': {
    caughtBy: /^completing leaves/,
    breakIt: (store) => ({ ...store, jobs: { ...store.jobs, complete: (id, owner, outcome, usage, atMs) => store.jobs.complete(id, owner, outcome, usage, atMs) } }),
  },
  'a limit on waiting jobs is looked at before the job is added': {
    caughtBy: /^a limit on waiting jobs/,
    breakIt: (store) => ({
      ...store,
      jobs: {
        ...store.jobs,
        add: async (job, { maxQueued = Infinity, ...options } = {}) => {
          if ((await store.jobs.countQueued(job.tenantId)) < maxQueued) await store.jobs.add(job, options);
        },
      },
    }),
  },
  'the last page comes again and again': {
    caughtBy: /^jobs are listed/,
    breakIt: (store) => ({ ...store, jobs: { ...store.jobs, list: (tenant, filter, { limit }) => store.jobs.list(tenant, filter, { limit }).then(({ items }) => ({ items })) } }),
  },
  'usage that is recorded twice counts twice': {
    caughtBy: /^usage adds up/,
    breakIt: (store) => {
      let count = 0;
      return { ...store, usage: { ...store.usage, record: (usage) => store.usage.record({ ...usage, id: `${usage.id} ${String((count += 1))}` }) } };
    },
  },
  'a budget is looked at before it is taken': {
    caughtBy: /^those who come at once/,
    breakIt: (store) => ({
      ...store,
      usage: {
        ...store.usage,
        reserve: async ({ limits, samples, ...rest }) => {
          const left = await Promise.all(limits.map(async (limit) => limit.limitSamples - (await store.usage.balance(limit, rest.nowMs)).reservedSamples));
          return store.usage.reserve({ ...rest, samples: Math.min(samples, ...left), limits: limits.map((limit) => ({ ...limit, limitSamples: 1e9 })) });
        },
      },
    }),
  },
  'reservations never end': {
    caughtBy: /^a reservation is void/,
    breakIt: (store) => ({ ...store, usage: { ...store.usage, reserve: (asked) => store.usage.reserve({ ...asked, untilMs: 1e15 }) } }),
  },
  'an end of a job is told twice': {
    caughtBy: /^every end of a job/,
    breakIt: (store) => ({
      ...store,
      webhooks: { ...store.webhooks, lease: (...of) => store.webhooks.lease(...of).then((owed) => owed.flatMap((each) => [each, { ...each, id: `${each.id}0` }])) },
    }),
  },
  'a delivery is delivered again and again': {
    caughtBy: /^a delivery is handed out/,
    breakIt: (store) => ({ ...store, webhooks: { ...store.webhooks, settle: (id, attempt) => store.webhooks.settle(id, { ...attempt, retryAtMs: attempt.retryAtMs ?? attempt.atMs }) } }),
  },
  'a released reservation leaves nothing to its heir': {
    caughtBy: /^what is released/,
    breakIt: (store) => ({ ...store, usage: { ...store.usage, release: (id) => store.usage.release(id) } }),
  },
  'an old version of a transcript is found': {
    caughtBy: /^a search finds/,
    breakIt: (store) => ({ ...store, transcripts: { ...store.transcripts, edit: async (_tenant, _job, base) => base + 1 } }),
  },
  'the last of two edits wins': {
    caughtBy: /^an edit is a new version/,
    breakIt: (store) => ({
      ...store,
      transcripts: {
        ...store.transcripts,
        edit: async (tenant, job, _base, ...rest) => store.transcripts.edit(tenant, job, (await store.transcripts.versions(tenant, job)).length, ...rest),
      },
    }),
  },
  'what is said in a session is kept in memory': {
    caughtBy: /^what was said in a session/,
    breakIt: (store) => ({ ...store, live: { ...store.live, say: async () => undefined } }),
  },
  'what calls have heard is kept in memory': {
    caughtBy: /^what was noted/,
    breakIt: (store) => ({ ...store, usage: { ...store.usage, note: async () => undefined } }),
  },
  'a session is an orphan though its job is there': {
    caughtBy: /^the job of a session/,
    breakIt: (store) => {
      const opened: Parameters<typeof store.live.open>[] = [];
      return {
        ...store,
        live: {
          ...store.live,
          open: async (...of) => {
            opened.push(of);
            await store.live.open(...of);
          },
          orphans: async () => opened.map(([job, model]) => ({ job, model, utterances: [] })),
        },
      };
    },
  },
  'an erased speaker is still listed': {
    caughtBy: /^an erased speaker/,
    breakIt: (store) => ({
      ...store,
      speakers: { ...store.speakers, list: async (tenant) => ({ items: [await store.speakers.get(tenant, 'spk_1')].filter((speaker) => speaker !== undefined) }) },
    }),
  },
  'the audit log is sorted by the clock': {
    caughtBy: /^the audit log/,
    breakIt: (store) => ({
      ...store,
      audit: { ...store.audit, list: (...of) => store.audit.list(...of).then((page) => ({ ...page, items: page.items.toSorted((a, b) => b.atMs - a.atMs) })) },
    }),
  },
  'what was written is gone after a new start': {
    caughtBy: /^a policy is absent/,
    breakIt: (store) => ({ ...store, tenants: { ...store.tenants, policy: async () => undefined } }),
  },
};

for (const [fault, { caughtBy, breakIt }] of Object.entries(FAULTS)) {
  test(`the checks reject a store where ${fault}`, async () => {
    const check = storeChecks.find(({ name }) => caughtBy.test(name));
    assert.ok(check, String(caughtBy));
    const subject = await sqliteSubject(breakIt);
    try {
      await assert.rejects(runStoreCheck(check, subject), assert.AssertionError);
    } finally {
      await subject.dispose();
    }
  });
}
