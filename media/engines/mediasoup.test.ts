import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { EarshotError } from '../../src/core/errors.ts';
import type { MediaEngine } from '../../src/core/media-engine.ts';
import { chooseEngine } from './choice.ts';
import { mediaEngineConformance } from './conformance.ts';
import { startMediasoupEngine } from './mediasoup.ts';
import { type EngineSettings, sendUntilHeard } from './testing/check.ts';
import { Observed, within } from './testing/observed.ts';
import { RtcClient } from './testing/rtc-client.ts';
import { assertTones, hear, render, tones, tonesSamples } from './testing/tones.ts';
import { createWeriftEngine } from './werift.ts';

/** As the server has it: with a werift beside for what mediasoup cannot serve. */
const start = async (settings: EngineSettings = {}): Promise<MediaEngine> => {
  const { engine } = await chooseEngine('mediasoup', { mediasoup: () => startMediasoupEngine(settings), werift: () => createWeriftEngine(settings) });
  return engine;
};

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
  test('a worker that dies: its peer is asked for a new offer, which goes on in the same track on the next worker', afterDeath);
} else test('mediasoup is a MediaEngine', { skip: `NOT TESTED: ${missing} (docs/operations.md, "The media engine")` }, () => undefined);

async function afterDeath(): Promise<void> {
  const engine = await start();
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
    process.kill(childWorkers()[0] ?? 0, 'SIGKILL');
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
  const children = readFileSync(`/proc/${String(process.pid)}/task/${String(process.pid)}/children`, 'utf8').trim().split(' ').map(Number);
  return children.filter((pid) => readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').includes('mediasoup-worker'));
}
