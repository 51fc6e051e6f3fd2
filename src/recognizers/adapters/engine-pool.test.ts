import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../core/testing/eventually.ts';
import { EnginePool, type EngineProcess, type EnginePoolOptions } from './engine-pool.ts';

type In = { readonly type: 'say' | 'environment'; readonly stream: number; readonly text: string; readonly samples?: Int16Array } | { readonly type: 'die'; readonly stream: number };
interface Out {
  readonly type: 'heard' | 'ready';
  readonly stream?: number;
  readonly text?: string;
  readonly samples?: Int16Array;
}

const folder = mkdtempSync(join(tmpdir(), 'earshot-engines-'));
const pools: EnginePool<In, Out>[] = [];
let markers = 0;

after(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});

interface Settings extends Partial<EnginePoolOptions> {
  readonly behaviour?: string;
  readonly marker?: string;
  readonly niceness?: number;
}

function start({ behaviour = 'good', marker = '', niceness, ...options }: Settings = {}) {
  const exits: (string | number | null)[] = [];
  const failures: string[] = [];
  const watchers: (() => void)[] = [];
  const told = (): void => {
    for (const wake of watchers.splice(0)) wake();
  };
  const pool = new EnginePool<In, Out>({
    command: {
      modulePath: fileURLToPath(new URL('testing/engine.ts', import.meta.url)),
      args: [behaviour, marker],
      env: { EARSHOT_TEST_WORD: 'hello' },
      ...(niceness !== undefined && { niceness }),
    },
    processes: 1,
    onExit: ({ code, signal }) => {
      exits.push(signal ?? code);
      told();
    },
    onStartFailed: (reason) => {
      failures.push(reason);
      told();
    },
    ...options,
  });
  pools.push(pool);
  /** Resolves once the pool has told of an exit or a failure. */
  const report = (): Promise<void> => new Promise((resolve) => watchers.push(resolve));
  return { pool, exits, failures, report };
}

const newMarker = (): string => join(folder, `marker-${String((markers += 1))}`);

async function pick(pool: EnginePool<In, Out>): Promise<EngineProcess<In, Out>> {
  const engine = await pool.pick();
  assert.ok(engine);
  return engine;
}

/** What the engine answers on this stream. */
function answer(engine: EngineProcess<In, Out>, message: In): Promise<Out> {
  return new Promise((resolve, reject) => {
    engine.attach(message.stream, { message: resolve, lost: () => reject(new Error('lost')) });
    engine.send(message);
  });
}

const lostOn = (engine: EngineProcess<In, Out>, stream: number): Promise<void> =>
  new Promise((resolve) => engine.attach(stream, { message: () => undefined, lost: resolve }));

test('a process serves its streams apart from each other, with typed arrays whole', async () => {
  const { pool } = start();
  assert.match(pool.reason, /starting/);
  await pool.ready();
  assert.equal(pool.readyProcesses, 1);
  const engine = await pick(pool);
  const samples = Int16Array.of(1, -2, 32767);
  const [one, two] = await Promise.all([
    answer(engine, { type: 'say', stream: 1, text: 'one', samples }),
    answer(engine, { type: 'environment', stream: 2, text: 'EARSHOT_TEST_WORD' }),
  ]);
  assert.deepEqual([one.text, Int16Array.from(one.samples ?? []), two.text], ['one', samples, 'hello']);
  engine.detach(1);
  engine.detach(2);
});

test('who asks before a process is ready waits for it', async () => {
  const marker = newMarker();
  const { pool } = start({ behaviour: 'slow', marker });
  const [picked, ready] = [pool.pick(), pool.ready()];
  assert.equal(pool.readyProcesses, 0);
  writeFileSync(marker, '');
  await ready;
  assert.equal((await picked)?.pid, pool.pids[0]);
});

test('streams go to the process that has the fewest', async () => {
  const { pool } = start({ processes: 2 });
  await pool.ready();
  await eventually(() => pool.readyProcesses === 2);
  const pids: number[] = [];
  for (let stream = 0; stream < 4; stream += 1) {
    const engine = await pick(pool);
    pids.push(engine.pid);
    engine.attach(stream, { message: () => undefined, lost: () => undefined });
  }
  assert.equal(new Set(pids.slice(0, 2)).size, 2);
  assert.deepEqual(pids.slice(2).toSorted(), pids.slice(0, 2).toSorted());
});

test('a process that dies takes its own streams along, each told once, and is replaced at once', async () => {
  const { pool, exits } = start();
  await pool.ready();
  const engine = await pick(pool);
  let losses = 0;
  const lost = Promise.all([1, 2].map(async (stream) => {
    await lostOn(engine, stream);
    losses += 1;
  }));
  engine.send({ type: 'die', stream: 1 });
  await lost;
  assert.deepEqual([exits, losses, pool.restarts], [['SIGKILL'], 2, 1]);
  const next = await pick(pool);
  assert.notEqual(next.pid, engine.pid);
  assert.equal((await answer(next, { type: 'say', stream: 1, text: 'again' })).text, 'again');
  engine.send({ type: 'say', stream: 1, text: 'to the dead' });
});

test('the death of one process leaves the streams of the others alone', async () => {
  const { pool, report } = start({ processes: 2 });
  await pool.ready();
  await eventually(() => pool.readyProcesses === 2);
  const first = await pick(pool);
  first.attach(1, { message: () => undefined, lost: () => undefined });
  const second = await pick(pool);
  second.attach(2, { message: () => undefined, lost: () => assert.fail('not this one') });
  const exited = report();
  first.send({ type: 'die', stream: 1 });
  await exited;
  assert.equal(pool.readyProcesses, 1);
  assert.equal((await answer(second, { type: 'say', stream: 2, text: 'here' })).text, 'here');
});

test('a process that refuses to start is told with its own words, and tried again after growing pauses', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { pool, failures, report, exits } = start({ behaviour: 'refuses' });
  await assert.rejects(pool.ready(), /the engine did not start: The model is broken\./);
  assert.deepEqual([failures.length, exits, pool.restarts, pool.readyProcesses], [1, [], 0, 0]);
  assert.match(pool.reason, /The model is broken/);
  for (const pauseMs of [1000, 2000, 4000]) {
    assert.deepEqual(pool.pids, []);
    context.mock.timers.tick(pauseMs - 1);
    assert.deepEqual(pool.pids, [], 'not yet');
    const failed = report();
    context.mock.timers.tick(1);
    assert.equal(pool.pids.length, 1);
    await failed;
  }
  assert.equal(failures.length, 4);
});

test('a process that ends without a word is told by its exit code', async () => {
  const { failures, report } = start({ behaviour: 'exits' });
  await report();
  assert.deepEqual(failures, ['the engine did not start: exit 3']);
});

test('a process that is not ready in time is killed', async () => {
  const { pool, failures, report } = start({ behaviour: 'never', startTimeoutMs: 200 });
  await report();
  assert.deepEqual([failures, pool.readyProcesses], [['the engine did not start: exit SIGKILL'], 0]);
});

test('a process that dies right after it was ready is replaced by one that serves', async () => {
  const { pool, report } = start({ behaviour: 'hasty', marker: newMarker(), niceness: 5 });
  await report();
  const engine = await pick(pool);
  assert.equal((await answer(engine, { type: 'say', stream: 1, text: 'here' })).text, 'here');
  assert.equal(pool.readyProcesses, 1);
});

test('niceness is counted from that of the server', async () => {
  const { pool } = start({ niceness: 7 });
  await pool.ready();
  assert.equal(getPriority(pool.pids[0]), getPriority() + 7);
});

test('close ends every process and everybody who waits', async () => {
  const { pool, exits, failures } = start({ behaviour: 'never', processes: 2 });
  const waiting = pool.pick();
  const ready = assert.rejects(pool.ready(), /shutting down/);
  const { pids } = pool;
  assert.equal(pids.length, 2);
  await pool.close();
  await ready;
  assert.equal(await waiting, undefined);
  assert.equal(await pool.pick(), undefined);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  assert.deepEqual([exits, failures], [[], []]);
});

test('close while a failed process waits for its next try ends the waiting', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { pool, report } = start({ behaviour: 'exits' });
  await report();
  await pool.close();
  context.mock.timers.tick(60_000);
  assert.deepEqual(pool.pids, []);
});

test('processes that die young are replaced after growing pauses, the first at once', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { pool, report, exits } = start({ behaviour: 'short-lived' });
  await report();
  for (const pauseMs of [0, 1000, 2000]) {
    assert.deepEqual(pool.pids, []);
    if (pauseMs > 0) {
      context.mock.timers.tick(pauseMs - 1);
      assert.deepEqual(pool.pids, [], `${String(pauseMs)} ms are not over`);
    }
    const exited = report();
    context.mock.timers.tick(1);
    assert.equal(pool.pids.length, 1);
    await exited;
  }
  assert.deepEqual([exits, pool.restarts], [[1, 1, 1, 1], 4]);
});

test('a process that has served for a while is replaced at once, whatever was before it', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { pool, report } = start({ behaviour: 'hasty', marker: newMarker() });
  await report();
  for (let death = 0; death < 2; death += 1) {
    context.mock.timers.tick(1);
    const engine = await pick(pool);
    context.mock.timers.tick(10_000);
    const exited = report();
    engine.send({ type: 'die', stream: 1 });
    await exited;
  }
  context.mock.timers.tick(1);
  assert.equal(pool.pids.length, 1);
});

for (const [name, breakIt] of Object.entries({
  'a system that starts no process': (): Partial<EnginePoolOptions> => {
    process.execPath = '/nowhere/node';
    return {};
  },
  'an environment that no process can have': (): Partial<EnginePoolOptions> => ({ command: { modulePath: 'engine.ts', args: [], env: { WORD: 'a\0b' } } }),
})) {
  test(`${name} is told, tried again, and does not keep the pool from closing`, async (context) => {
    const { execPath } = process;
    context.after(() => (process.execPath = execPath));
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const { pool, failures, report } = start(breakIt());
    await assert.rejects(pool.ready(), /the engine did not start/);
    const failed = report();
    context.mock.timers.tick(1000);
    await failed;
    assert.equal(failures.length, 2);
    assert.deepEqual([pool.pids, pool.readyProcesses, pool.restarts], [[], 0, 0]);
    process.execPath = '/nowhere/node';
    context.mock.timers.tick(2000);
    await pool.close();
  });
}
