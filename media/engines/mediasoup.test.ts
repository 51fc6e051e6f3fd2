import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import test from 'node:test';
import { EarshotError } from '../../src/core/errors.ts';
import type { MediaEngine } from '../../src/core/media-engine.ts';
import { chooseEngine } from './choice.ts';
import { mediaEngineChecks, mediaEngineConformance } from './conformance.ts';
import { startMediasoupEngine } from './mediasoup.ts';
import { type EngineSettings, type MakeEngine, sendUntilHeard, withoutClock } from './testing/check.ts';
import { Observed, within } from './testing/observed.ts';
import { RtcClient } from './testing/rtc-client.ts';
import { assertTones, hear, render, tones, tonesSamples } from './testing/tones.ts';
import { startThreadedMediasoup } from './threads/threaded-engine.ts';
import { createWeriftEngine } from './werift.ts';

/** As the server has it: with a werift beside for what mediasoup cannot serve. */
const start = async (settings: EngineSettings = {}): Promise<MediaEngine> => {
  const { engine } = await chooseEngine('mediasoup', { mediasoup: () => startMediasoupEngine(settings), werift: () => createWeriftEngine(settings) });
  return engine;
};

/** What crosses to the main thread in a way of its own. */
const IN_THREADS = /published track arrives|data channels|reports tell|closed at any moment|as many peers|no more peers/;
const startInThreads = (settings: EngineSettings): Promise<MediaEngine> => startThreadedMediasoup({ ...withoutClock(settings), threads: true, workers: 2, peersPerThread: 1 });

const missing = await start().then(
  async (engine) => {
    await engine.close();
    return undefined;
  },
  (error: unknown) => {
    if (error instanceof EarshotError && error.code === 'BACKEND_UNAVAILABLE') return error.message;
    throw error;
  },
);

if (missing === undefined) {
  mediaEngineConformance('mediasoup', start);
  test('a worker that dies: its peer is asked for a new offer, which goes on in the same track on the next worker', () => afterDeath(start));
  for (const { name, run } of mediaEngineChecks.filter(({ name }) => IN_THREADS.test(name))) test(`mediasoup in threads: ${name}`, () => run(startInThreads));
  test('mediasoup in threads: a worker that dies is answered as without', () => afterDeath(startInThreads));
  test('mediasoup in threads: a port that is taken is told as such', async () => {
    const taken = createServer().listen(0, '0.0.0.0');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    await assert.rejects(startThreadedMediasoup({ threads: true, workers: 2, port }), { code: 'INTERNAL', message: /is it taken/ });
    taken.close();
  });
} else test('mediasoup is a MediaEngine', { skip: `NOT TESTED: ${missing} (docs/operations.md, "The media engine")` }, () => undefined);

async function afterDeath(make: MakeEngine): Promise<void> {
  const engine = await make({});
  const [first, second] = [new RtcClient(), new RtcClient()];
  try {
    const observed = new Observed(engine);
    first.addTrack();
    await first.accept(await within('an answer', observed.peer.answer(await first.offer())));
    await within('the client connects', first.connected());
    first.send(0, tones([440]));
    const track = await observed.track(0);
    const heard = hear(track, tonesSamples(1));
    assertTones(render(await heard), [440]);
    for (const worker of childWorkers()) process.kill(worker, 'SIGKILL');
    await observed.asked();
    assert.equal(observed.states.at(-1), 'disconnected');
    second.addTrack();
    await second.accept(await within('an answer of the next worker', observed.peer.answer(await second.offer())));
    await within('the client connects again', second.connected());
    await observed.isIn('connected');
    await sendUntilHeard(second, track);
    assert.equal(observed.tracks.length, 1);
    assert.ok(!observed.states.includes('closed'));
  } finally {
    await Promise.all([first.close(), second.close()]);
    await engine.close();
  }
}

/** Process ids of this process's children that are workers. */
function childWorkers(): number[] {
  // A child is its thread's.
  const children = readdirSync('/proc/self/task').flatMap((thread) => readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number));
  return children.filter((pid) => readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').includes('mediasoup-worker'));
}
