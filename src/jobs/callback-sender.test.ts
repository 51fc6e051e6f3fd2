import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../core/clock.ts';
import type { CallbackRecord, JobRecord } from '../core/store/jobs.ts';
import { settle } from '../core/testing/audio.ts';
import { eventually } from '../core/testing/eventually.ts';
import { Outbound } from '../outbound/outbound.ts';
import { openSqliteStore } from '../stores/sqlite.ts';
import { isSigned, signCallback, type SignedHeaders } from './callback-signature.ts';
import { CallbackSender } from './callback-sender.ts';

const SECRET = 'whsec_of_the_tenant';
const POLL_MS = 60_000;
const MINUTE_MS = 60_000;
const JOB: JobRecord = {
  id: 'job_1', tenantId: 't', keyId: 'k', source: { kind: 'url', url: 'http://x/' }, request: {}, status: 'completed', progress: 1, attempts: 1, dueAtMs: 0,
  createdAtMs: 0, startedAtMs: 0, endedAtMs: 1, backend: 'A', languageDetected: null, audioMs: 1, audioBytes: 1, error: null,
};

interface Attempt {
  readonly headers: SignedHeaders;
  readonly body: string;
}

/** A receiver whose answer the test decides (`null`: none at all), and a store that owes it one callback. */
async function rig(context: TestContext, answer: (attempt: number) => number | null) {
  const attempts: Attempt[] = [];
  const receiver = createServer((request: IncomingMessage, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      attempts.push({ headers: request.headers as unknown as SignedHeaders, body });
      const status = answer(attempts.length);
      if (status !== null) response.writeHead(status, { location: '/elsewhere' }).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const store = await openSqliteStore(':memory:');
  const clock = new ManualClock();
  const url = `http://127.0.0.1:${String((receiver.address() as AddressInfo).port)}/hook`;
  const callback: CallbackRecord = { id: 'evt_1', tenantId: 't', jobId: JOB.id, url, method: 'POST', body: '{"a":1}', attempts: 0, dueAtMs: 0 };
  await store.jobs.add(JOB, { callback });
  const warned: string[] = [];
  let inFlight = 0;
  const make = (settles = true): CallbackSender =>
    new CallbackSender({
      outbox: {
        leaseCallbacks: (...of) => store.jobs.leaseCallbacks(...of),
        settleCallback: async (id, retryAtMs) => {
          // One that is killed settles nothing.
          if (settles) await store.jobs.settleCallback(id, retryAtMs);
          inFlight -= 1;
        },
      },
      outbound: new Outbound({ allowedNetworks: ['127.0.0.1'] }),
      headersOf: ({ id, body }) => {
        inFlight += 1;
        return Promise.resolve({ ...signCallback(SECRET, id, body, clock.nowMs()) });
      },
      clock,
      now: () => clock.nowMs(),
      pollMs: POLL_MS,
      log: { warn: (_fields, message) => void warned.push(message), error: (fields) => assert.fail(JSON.stringify(fields)) },
    });
  const senders: CallbackSender[] = [];
  context.after(async () => {
    receiver.closeAllConnections();
    receiver.close();
    await Promise.all(senders.map((sender) => sender.close()));
    await store.close();
  });
  const start = (settles?: boolean): CallbackSender => {
    const sender = make(settles);
    senders.push(sender);
    sender.start();
    return sender;
  };
  /** Time passes, a poll at a time; an attempt that is under way is waited for. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= POLL_MS) {
      clock.advance(Math.min(POLL_MS, left));
      for (let turn = 0; turn < 5; turn += 1) await settle();
      await eventually(() => inFlight === 0);
    }
  };
  const owed = (): Promise<readonly CallbackRecord[]> => store.jobs.leaseCallbacks(Number.MAX_SAFE_INTEGER / 2, 1, 10);
  return { attempts, clock, warned, start, pass, owed, idle: () => eventually(() => inFlight === 0) };
}

test('a callback that is not taken is tried seven times more, further and further apart, as one event; then it is given up', async (context) => {
  // A redirect is not followed, and an error is an error, whoever is to blame.
  const { attempts, clock, warned, start, pass, owed, idle } = await rig(context, (attempt) => [500, 302, 404][attempt % 3] ?? 500);
  start();
  await eventually(() => attempts.length === 1);
  await idle();
  await pass(60 * 60 * MINUTE_MS);
  assert.equal(attempts.length, 8);
  const atMs = attempts.map(({ headers }) => Number(headers['x-earshot-timestamp']) * 1000);
  const pauses = atMs.slice(1).map((ms, index) => ms - (atMs[index] ?? 0));
  const promised = [1 / 6, 1, 5, 30, 120, 480, 1440].map((minutes) => minutes * MINUTE_MS);
  for (const [index, pauseMs] of pauses.entries()) {
    const promisedMs = promised[index] ?? NaN;
    assert.ok(pauseMs >= promisedMs && pauseMs <= promisedMs + POLL_MS, `pause ${String(index)}: ${String(pauseMs)}`);
  }
  assert.deepEqual(new Set(attempts.map(({ headers, body }) => `${headers['x-earshot-event-id']} ${body}`)), new Set(['evt_1 {"a":1}']));
  for (const [index, { headers, body }] of attempts.entries()) assert.ok(isSigned(SECRET, headers, body, atMs[index] ?? 0));
  assert.equal(warned.at(-1), 'a callback is given up');
  assert.deepEqual(await owed(), []);
  assert.ok(clock.pendingTimers <= 1, 'only the next poll');
});

test('a callback that is taken is not sent again', async (context) => {
  const { attempts, start, pass, owed } = await rig(context, (attempt) => (attempt === 1 ? 503 : 204));
  start();
  await eventually(() => attempts.length === 1);
  await pass(600 * MINUTE_MS);
  assert.equal(attempts.length, 2);
  assert.deepEqual(await owed(), []);
});

test('a receiver that never answers is given fifteen seconds', async (context) => {
  const { attempts, clock, warned, start, idle, pass } = await rig(context, (attempt) => (attempt === 1 ? null : 204));
  start();
  await eventually(() => attempts.length === 1);
  clock.advance(14_999);
  await settle();
  assert.equal(warned.length, 0);
  clock.advance(1);
  await idle();
  assert.equal(warned.length, 1);
  await pass(5 * MINUTE_MS);
  assert.equal(attempts.length, 2);
});

test('what a killed server was sending is sent by the next, after the lease, with the same event id', async (context) => {
  const { attempts, start, pass, owed } = await rig(context, (attempt) => (attempt === 1 ? null : 204));
  start(false);
  await eventually(() => attempts.length === 1);
  start();
  for (let turn = 0; turn < 20; turn += 1) await settle();
  assert.deepEqual(attempts.map(({ body }) => body), ['{"a":1}'], 'it is leased');
  await pass(2 * MINUTE_MS);
  assert.ok(attempts.length >= 2);
  assert.deepEqual(new Set(attempts.map(({ headers }) => headers['x-earshot-event-id'])), new Set(['evt_1']));
  assert.deepEqual(await owed(), []);
});

test('what is being sent when the server stops is broken off and stays owed', async (context) => {
  const { attempts, start, owed } = await rig(context, () => null);
  const sender = start();
  await eventually(() => attempts.length === 1);
  await sender.close();
  await sender.close();
  assert.deepEqual((await owed()).map(({ id }) => id), ['evt_1']);
});
