import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ManualClock } from '../core/clock.ts';
import { PERMISSIONS, type Principal } from '../core/principal.ts';
import type { Session } from '../core/session/session.ts';
import { Sessions } from '../core/session/sessions.ts';
import { FedSource, joined, loud, quiet, settle } from '../core/testing/audio.ts';
import { placesAt } from '../core/testing/fake-backend.ts';
import { FakeDetectors } from '../core/testing/fake-detector.ts';
import { FakeRecognizer } from '../core/testing/fake-recognizer.ts';
import type { LiveStore } from '../core/store/live.ts';
import type { Utterance } from '../core/transcript.ts';
import { SessionRecorder } from './session-recorder.ts';
import { openTestStore } from './testing/store.ts';

const CALLER: Principal = { tenantId: 't1', keyId: 'key_1', permissions: new Set(PERMISSIONS) };
const WISH = { transport: 'webrtc', priority: 'live', language: 'en' } as const;
const NOW_MS = Date.UTC(2026, 10, 21, 10);

const folder = await mkdtemp(join(tmpdir(), 'earshot-recorder-'));
const { store } = await openTestStore(folder);
after(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

let ids = 0;
const logged: string[] = [];
const log = { warn: (_fields: object, message: string) => void logged.push(message), error: (_fields: object, message: string) => void logged.push(message) };
const recorder = (live: LiveStore = store.live) => new SessionRecorder({ jobs: store.jobs, live, now: () => NOW_MS, log });

async function open(by: SessionRecorder): Promise<Session> {
  const clock = new ManualClock();
  const sessions = new Sessions({ clock, createId: () => 'ses', createJobId: () => `job_${String((ids += 1))}`, createDetector: new FakeDetectors().create });
  const admitted = await by.guard(CALLER, WISH);
  const session = sessions.open(CALLER, WISH, { admit: placesAt(new FakeRecognizer()) });
  admitted(session);
  return session;
}

test('a session that its server did not live to end becomes a job with what was final', async () => {
  const session = await open(recorder());
  session.addLane(new FedSource().pcm(joined(loud(1000), quiet(1500), loud(500), quiet(1500), loud(500))), 'lane');
  await settle();
  // The server is gone; another starts.
  await recorder().recover();
  const id = session.jobId ?? '';
  const job = await store.jobs.get('t1', id);
  assert.deepEqual([job?.status, job?.error?.code, job?.backend, job?.source, job?.request], ['completed', 'SERVER_STOPPING', 'A', { kind: 'live', transport: 'webrtc' }, { language: 'en' }]);
  const kept = await store.transcripts.get('t1', id);
  assert.deepEqual(kept?.transcript.utterances.map(({ text }) => text), ['w0 w1', 'w5']);
  assert.ok(Math.abs((job?.audioMs ?? 0) - 3000) < 500, String(job?.audioMs));
  assert.deepEqual(await store.live.orphans(1), []);
  assert.equal(logged.length, 1);
});

test('one in which nothing was said is a failed job, and a second start changes nothing', async () => {
  const session = await open(recorder());
  await recorder().recover();
  await recorder().recover();
  const job = await store.jobs.get('t1', session.jobId ?? '');
  assert.deepEqual([job?.status, job?.error?.code], ['failed', 'SERVER_STOPPING']);
});

test('a session that ends leaves its job and nothing else', async () => {
  const by = recorder();
  const session = await open(by);
  session.addLane(new FedSource().pcm(joined(loud(1000), quiet(1500))).end(), 'lane');
  await session.settled();
  await session.close('finished');
  await by.settled();
  assert.deepEqual(await store.live.orphans(1), []);
  const job = await store.jobs.get('t1', session.jobId ?? '');
  assert.deepEqual([job?.status, job?.error], ['completed', null]);
});

test('a final is told once it is kept; where it cannot be kept it is told all the same, and the log says so', async () => {
  const kept = Promise.withResolvers<void>();
  const slow: LiveStore = { ...store.live, say: () => kept.promise };
  const session = await open(recorder(slow));
  const told: Utterance[] = [];
  const reading = (async () => {
    for await (const event of session.events()) if (event.type === 'utterance.final') told.push(event.utterance);
  })();
  session.addLane(new FedSource().pcm(joined(loud(1000), quiet(1500))).end(), 'lane');
  await session.settled();
  await settle();
  assert.deepEqual([told.length, session.soFar().utterances.filter(({ words }) => words.some(({ confidence }) => confidence !== undefined))], [0, []]);
  logged.length = 0;
  kept.reject(new Error('no room'));
  await settle();
  assert.deepEqual([told.map(({ text }) => text), logged], [['w0 w1'], ['what is said in a session is not kept until it ends']]);
  await session.close('finished');
  await reading;
});
