import assert from 'node:assert/strict';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { mediaEngineChecks } from '../conformance.ts';
import { withoutClock } from '../testing/check.ts';
import { Observed, within } from '../testing/observed.ts';
import { RtcClient } from '../testing/rtc-client.ts';
import { assertTones, hear, render, tones, tonesSamples } from '../testing/tones.ts';
import { createThreadedEngine } from './threaded-engine.ts';

const CONFORMING = mediaEngineChecks.filter(({ name }) => !/idle time|beyond the rate/.test(name));

for (const { name, run } of CONFORMING) {
  // Both are measured by a clock that a thread cannot be given.
  test(`threaded engine: ${name}`, () => run((settings) => createThreadedEngine({ threads: 2, peersPerThread: 1, ...withoutClock(settings) })));
}

const portOf = (answer: string): string => /^a=candidate:\S+ 1 udp \d+ \S+ (\d+) /m.exec(answer)?.[1] ?? '';

async function answered(observed: Observed, client: RtcClient): Promise<string> {
  client.addTrack();
  return await observed.peer.answer(await client.offer());
}

test('one thread is filled after the other, then both alike', async () => {
  const engine = createThreadedEngine({ threads: 2, peersPerThread: 1 });
  const clients = [1, 2, 3, 4].map(() => new RtcClient());
  const ports = await Promise.all(clients.map(async (client) => portOf(await answered(new Observed(engine), client))));
  assert.equal(ports.filter((port) => port === ports[0]).length, 2);
  assert.equal(engine.peerCount, 4);
  await Promise.all([engine.close(), ...clients.map((client) => client.close())]);
});

/** Those that have said anything. */
const threadsOf = (calls: readonly { readonly this: unknown }[]): Worker[] => [...new Set(calls.map(({ this: worker }) => worker as Worker))];

test('a thread that dies ends its peers after what was heard, and is replaced', async (context) => {
  const emit = context.mock.method(Worker.prototype, 'emit');
  const warnings: string[] = [];
  const engine = createThreadedEngine({ threads: 1, onWarning: (message) => warnings.push(message) });
  const clients = [new RtcClient(), new RtcClient()];
  const [first, second] = clients as [RtcClient, RtcClient];
  const lost = new Observed(engine);
  await first.accept(await answered(lost, first));
  await within('the client connects', first.connected());
  first.send(0, tones([440]));
  const track = await lost.track(0);
  assertTones(render(await hear(track, tonesSamples(1))), [440]);
  await threadsOf(emit.mock.calls)[0]?.terminate();
  await lost.reached('closed');
  assert.deepEqual([engine.peerCount, warnings.length], [0, 1]);
  const { done } = await within('the track ends', track.source[Symbol.asyncIterator]().next());
  assert.equal(done, true);
  await assert.rejects(lost.peer.answer('v=0'), { code: 'BACKEND_UNAVAILABLE' });
  const next = new Observed(engine);
  await second.accept(await answered(next, second));
  await within('the next client connects', second.connected());
  assert.equal(threadsOf(emit.mock.calls).length, 2);
  await Promise.all([engine.close(), ...clients.map((client) => client.close())]);
});
