import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, beforeEach, test } from 'node:test';
import { systemClock } from '../core/clock.ts';
import type { LiveCallback } from '../core/store/live.ts';
import { eventually } from '../core/testing/eventually.ts';
import { Outbound } from '../outbound/outbound.ts';
import { CallbackQueue, type CallbackQueueOptions } from './callback-queue.ts';
import { isSigned } from './callback-signature.ts';

const seen: string[] = [];
/** Ids of events. */
const ids: unknown[] = [];
let answer: (body: string, response: ServerResponse) => void;
const receiver = createServer((request, response) => {
  void text(request).then((body) => {
    seen.push(body);
    ids.push(request.headers['x-earshot-event-id']);
    assert.ok(isSigned('secret', request.headers as never, body, Date.now()));
    answer(body, response);
  });
});
receiver.listen(0, '127.0.0.1');
await once(receiver, 'listening');
const url = `http://127.0.0.1:${String((receiver.address() as AddressInfo).port)}/`;
after(() => {
  receiver.closeAllConnections();
  receiver.close();
});
beforeEach(() => {
  owed.clear();
  seen.length = 0;
  answer = (_body, response) => response.end();
});

/** What the store owes, by id. */
const owed = new Map<string, LiveCallback>();
const store = {
  owe: (callback: LiveCallback) => Promise.resolve(void owed.set(callback.id, callback)),
  settle: (id: string) => Promise.resolve(void owed.delete(id)),
};
const bodiesOwed = (): string[] => [...owed.values()].map(({ body }) => body);

function queue(options: Partial<CallbackQueueOptions> = {}): { readonly callbacks: CallbackQueue; readonly logged: string[] } {
  const logged: string[] = [];
  const outbound = new Outbound({ allowedNetworks: ['127.0.0.1'] });
  const log = { warn: (_fields: object, message: string) => void logged.push(message) };
  const callbacks = new CallbackQueue({ outbound, secretOf: () => Promise.resolve('secret'), clock: systemClock, now: Date.now, timeoutMs: 200, tenantId: 't', sessionId: 's', url, store, pausesMs: [1, 1], log, ...options });
  return { callbacks, logged };
}

async function sent(callbacks: CallbackQueue, ...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) callbacks.send(body);
  await callbacks.settled();
}

test('callbacks come one after the other, in order', async () => {
  const { callbacks } = queue();
  let open = 0;
  answer = (_body, response) => {
    assert.equal((open += 1), 1);
    setImmediate(() => {
      open -= 1;
      response.end();
    });
  };
  await sent(callbacks, '"1"', '"2"', '"3"');
  assert.deepEqual(seen, ['"1"', '"2"', '"3"']);
  assert.equal(owed.size, 0);
});

test('one that is not taken is tried again before the next', async () => {
  const { callbacks, logged } = queue();
  answer = (body, response) => {
    if (body === '"2"' && seen.filter((each) => each === body).length < 3) response.writeHead(seen.length % 2 === 0 ? 500 : 302, { location: url });
    response.end();
  };
  await sent(callbacks, '"1"', '"2"', '"3"');
  assert.deepEqual([seen, logged], [['"1"', '"2"', '"2"', '"2"', '"3"'], []]);
});

test('after one was given up the next have one attempt, until the receiver is back', async () => {
  const { callbacks, logged } = queue();
  let isDown = true;
  answer = (body, response) => {
    if (body === '"3"') isDown = false;
    if (isDown) response.destroy();
    else if (body === '"4"' && seen.at(-2) !== body) response.writeHead(503).end();
    else response.end();
  };
  await sent(callbacks, '"1"', '"2"', '"3"', '"4"');
  assert.deepEqual(seen, ['"1"', '"1"', '"1"', '"2"', '"3"', '"4"', '"4"']);
  assert.equal(logged.length, 2);
});

test('a receiver that does not answer is not waited for', async () => {
  const { callbacks, logged } = queue({ pausesMs: [], timeoutMs: 30 });
  answer = () => undefined;
  await sent(callbacks, '"1"');
  assert.deepEqual(logged, ['a live callback is given up']);
});

test('too many that wait are not kept: the oldest go', async () => {
  const { callbacks, logged } = queue({ maxWaiting: 2 });
  await sent(callbacks, '"1"', '"2"', '"3"', '"4"', '"5"');
  assert.deepEqual([seen, logged.length], [['"1"', '"4"', '"5"'], 1]);
});

test('private addresses are not reached', async () => {
  const { callbacks, logged } = queue({ outbound: new Outbound() });
  await sent(callbacks, '"1"');
  assert.deepEqual([seen, logged], [[], ['a live callback is given up']]);
});

test('a close breaks off what is being sent and pauses', async () => {
  const { callbacks } = queue({ pausesMs: [60_000] });
  const asked = new Promise<void>((resolve) => {
    answer = (_body, response) => {
      response.destroy();
      resolve();
    };
  });
  callbacks.send('"1"');
  callbacks.send('"2"');
  await asked;
  callbacks.close();
  callbacks.send('"3"');
  await callbacks.settled();
  assert.deepEqual([seen, bodiesOwed()], [['"1"'], ['"1"', '"2"', '"3"']]);
});

test('what a queue left is sent by the next, in its order and with the ids that it had', async () => {
  const { callbacks } = queue({ pausesMs: [60_000] });
  answer = (_body, response) => response.destroy();
  for (const body of ['"1"', '"2"']) callbacks.send(body);
  await eventually(() => seen.length === 1);
  callbacks.close();
  await callbacks.settled();
  const left = [...owed.values()];
  ids.length = 0;
  answer = (_body, response) => response.end();
  const next = queue({ owed: left });
  await sent(next.callbacks, '"3"');
  assert.deepEqual([seen.slice(1), owed.size], [['"1"', '"2"', '"3"'], 0]);
  assert.deepEqual(ids.slice(0, 2), left.map(({ id }) => id));
});

test('what is given up or dropped is owed no more', async () => {
  const { callbacks } = queue({ pausesMs: [], maxWaiting: 2 });
  answer = (_body, response) => response.destroy();
  await sent(callbacks, '"1"', '"2"', '"3"', '"4"', '"5"');
  assert.deepEqual([seen, owed.size], [['"1"', '"4"', '"5"'], 0]);
});

test('a store that fails keeps nobody from being told', async () => {
  const fails = { owe: () => Promise.reject(new Error('full')), settle: () => Promise.reject(new Error('full')) };
  const { callbacks } = queue({ store: fails });
  await sent(callbacks, '"1"');
  assert.deepEqual(seen, ['"1"']);
});
