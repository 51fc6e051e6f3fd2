import { writeSync } from 'node:fs';
import { openDataFolder } from '../data-folder.ts';
import { job, NOW_MS, outcome, transcript, usage } from './records.ts';

/*
 * Works on the data folder named by the first argument until it is killed, and says what it was told is done, a line each, on standard
 * output. The second argument makes its ids unlike those of its predecessors.
 */

const LEASE_MS = 60_000;
const [, , folder = '', run = ''] = process.argv;

const say = (...words: readonly string[]): void => {
  writeSync(1, `${words.join(' ')}\n`);
};

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < text.length; offset += 1000) yield Buffer.from(text.slice(offset, offset + 1000));
}

const { store, blobs } = await openDataFolder(folder);
say('open');
for (let index = 0; ; index += 1) {
  const id = `job_${run}_${String(index)}`;
  const { name } = await blobs.write(bytes(id.repeat(400)), { maxBytes: 1e6 });
  say('blob', name, id);
  await store.jobs.add(job(id, { source: { kind: 'upload', blob: name, bytes: 1 } }));
  say('added', id);
  const leased = await store.jobs.lease(run, NOW_MS, LEASE_MS);
  if (leased) {
    const callback = { id: `evt_${leased.id}`, tenantId: 't1', jobId: leased.id, url: 'https://example.com', method: 'POST' as const, body: '{}', attempts: 0, dueAtMs: NOW_MS };
    const isCompleted = await store.jobs.complete(leased.id, run, outcome(`said in ${leased.id}`), usage(leased.id), NOW_MS + 1, callback);
    if (isCompleted) say('completed', leased.id);
  }
  const spoken = `live_${run}_${String(index)}`;
  await store.live.open(job(spoken, { source: { kind: 'live', transport: 'websocket' }, status: 'running' }), 'model');
  for (const text of ['one', 'two']) {
    await store.live.say(spoken, { ...transcript(text).utterances[0]!, text });
    say('heard', spoken, text);
  }
  if (index % 2 === 0) {
    await store.jobs.add(job(spoken, { source: { kind: 'live', transport: 'websocket' }, status: 'failed', endedAtMs: NOW_MS }));
    say('ended', spoken);
  }
  const session = `ses_${run}_${String(index)}`;
  await store.usage.reserve({ id: session, limits: [{ owner: 'tenant', id: 't1', period: '2026-11', limitSamples: 1e12 }], samples: 5000, nowMs: NOW_MS, untilMs: NOW_MS + LEASE_MS });
  await store.usage.note(usage(session, { heardSamples: 1 }), session);
  say('noted', session);
  await store.usage.record(usage(session));
  say('used', session);
  await store.audit.append({ tenantId: 't1', keyId: 'key_1', atMs: NOW_MS, action: 'test', subject: session, details: {} });
  say('audited', session);
}
