import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ManualClock } from '../core/clock.ts';
import { type ErrorCode, EarshotError } from '../core/errors.ts';
import { joined, quiet } from '../core/testing/audio.ts';
import { eventually } from '../core/testing/eventually.ts';
import { createSpeakerEngine } from './engine-client.ts';
import { babble, HIGH, LOW } from './testing/voices.ts';

const code = (expected: ErrorCode) => (error: unknown) => error instanceof EarshotError && error.code === expected;

function faulty(t: TestContext, options: { readonly modelFolder?: string } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-engine-'));
  const clock = new ManualClock();
  const exits: object[] = [];
  const engine = createSpeakerEngine({
    modulePath: fileURLToPath(new URL('testing/dying-engine.ts', import.meta.url)),
    modelFolder: options.modelFolder ?? join(folder, 'memory'),
    clock,
    onExit: (exit) => exits.push(exit),
  });
  t.after(async () => {
    await engine.close();
    rmSync(folder, { recursive: true });
  });
  return { engine, clock, exits, listen: (samples: number) => engine.listen(new Int16Array(samples)) };
}

test('the embedded engine tells two voices apart, in a process that starts with the first question', async (t) => {
  const engine = createSpeakerEngine();
  t.after(() => engine.close());
  assert.equal(engine.pid, undefined);
  const heard = await engine.listen(joined(babble(LOW, 2, 1), quiet(500), babble(HIGH, 2, 2), quiet(500), babble(LOW, 2, 3)));
  assert.notEqual(engine.pid, undefined);
  assert.deepEqual(await engine.group(heard.map(({ print }) => print)), [0, 1, 0]);
  assert.deepEqual(await engine.listen(new Int16Array(0)), []);
  assert.deepEqual(await engine.group([]), []);
});

test('a process that dies is replaced and asked again, and nobody notices', async (t) => {
  const { listen, exits } = faulty(t);
  const [before, dying, after] = await Promise.all([listen(10), listen(2), listen(20)]);
  assert.deepEqual([before, dying, after].map(([voice]) => voice?.endSample), [10, 2, 20]);
  assert.equal(exits.length, 1);
});

test('what kills the process twice is given up, what waits behind it is answered', async (t) => {
  const { listen } = faulty(t);
  const dying = assert.rejects(listen(1), code('BACKEND_ERROR'));
  const after = listen(20).catch((error: unknown) => error);
  await dying;
  // It had been asked twice too: a question is never asked a third time.
  assert.ok(code('BACKEND_ERROR')(await after));
  assert.equal((await listen(30))[0]?.endSample, 30);
});

test('what the engine cannot answer is an error of its own, and the process goes on', async (t) => {
  const { listen, exits } = faulty(t);
  await assert.rejects(listen(4), code('BACKEND_ERROR'));
  assert.equal((await listen(5))[0]?.endSample, 5);
  assert.deepEqual(exits, []);
});

test('an engine that does not start says so at once', async (t) => {
  const { listen, exits } = faulty(t, { modelFolder: 'unstartable' });
  await assert.rejects(listen(5), code('BACKEND_UNAVAILABLE'));
  assert.equal(exits.length, 1);
});

test('an engine that falls silent is given up after its time, and replaced', async (t) => {
  const { listen, clock, engine } = faulty(t);
  await listen(5);
  const silent = assert.rejects(listen(3), code('BACKEND_TIMEOUT'));
  clock.advance(60_000);
  await silent;
  await eventually(() => engine.pid === undefined);
  assert.equal((await listen(5))[0]?.endSample, 5);
});

test('a process that is not needed any more ends', async (t) => {
  const { listen, clock, engine, exits } = faulty(t);
  await listen(5);
  clock.advance(60_000);
  await eventually(() => engine.pid === undefined);
  assert.deepEqual(exits, []);
  assert.equal(clock.pendingTimers, 0);
});

test('more than fits is refused, and closing gives up what waits', async (t) => {
  const { listen, engine } = faulty(t);
  const waiting = Array.from({ length: 64 }, () => listen(3).catch((error: unknown) => error));
  await assert.rejects(listen(5), code('CAPACITY_EXCEEDED'));
  await engine.close();
  for (const given of await Promise.all(waiting)) assert.ok(code('SERVER_STOPPING')(given));
  await assert.rejects(listen(5), code('SERVER_STOPPING'));
});
