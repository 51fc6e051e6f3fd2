/**
 * What a dialect costs beside the native stream with the same audio, as CPU for each second of it: of the server's own process, and whole, with the recognizers, which are processes of their own.
 * Usage: `npm run bench:dialects -- [--streams N] [--seconds S] [--speed X] [--rounds R] [--only NAMES] [--digests] [--json]`. There are two servers. Each round, for every dialect, one of them has N (default 1) streams of it,
 * and the other as many native ones at the same time; then they change parts. So what drifts on the machine hits both sides alike. The streams are the first S (default 6) seconds of the tests' story, X (default 2) times
 * as fast as they were spoken. The figure is of the sums over the R (default 3) rounds, since some kernels count CPU by samples of some milliseconds: the more CPU, the truer. What is held against each other is the server's
 * own: recognizers hear the same words whatever the dialect, and their noise would hide it. `--only gladia,pulse`: these. `--digests` puts a server that does next to nothing in the recognizers' place, for more streams in
 * the same time; there are no interims then. `--json` adds one JSON object as the last line. Goal: at most 1.15 times the native stream. Linux only; wants a quiet machine.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { DigestUpstream, startWithDigests } from '../digest-upstream.ts';
import { TestServer } from '../server.ts';
import { tellStory } from '../spoken.ts';
import { samplesOf } from '../wav.ts';
import { type Dialect, DIALECTS, NATIVE, streamBy } from './dialect-clients.ts';
import { cpuSeconds, family } from './process-cpu.ts';
import { printTable } from './table.ts';

const GOAL = 1.15;
const BYTES_PER_SECOND = 32_000;

/** Milliseconds of CPU for a second of audio. */
interface Cost {
  readonly own: number;
  /** With every process that the server started. */
  readonly whole: number;
  readonly messages: number;
}

interface Pair {
  readonly native: Cost;
  readonly dialect: Cost;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      streams: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '6' },
      speed: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '3' },
      digests: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const streams = Number(values.streams);
  const speed = Number(values.speed);
  const names = values.only?.split(',');
  const upstream = values.digests ? await DigestUpstream.start() : undefined;
  const start = (): Promise<TestServer> => (upstream ? startWithDigests(upstream) : TestServer.start());
  await using one = await start();
  await using other = await start();
  const story = samplesOf(await readFile(await tellStory())).subarray(0, Number(values.seconds) * BYTES_PER_SECOND);
  const audio = { 16_000: story, 24_000: at24kHz(story) } as const;
  const audioSeconds = (streams * story.length) / BYTES_PER_SECOND;
  const cost = async (server: TestServer, dialect: Dialect): Promise<Cost> => {
    const before = used(server.pid);
    const messages = await Promise.all(Array.from({ length: streams }, () => streamBy(dialect, server, audio[dialect.rateHz], speed)));
    await server.idle();
    const after = used(server.pid);
    const perSecond = (seconds: number): number => (seconds * 1000) / audioSeconds;
    return { own: perSecond(after.own - before.own), whole: perSecond(after.whole - before.whole), messages: messages.reduce((sum, each) => sum + each, 0) };
  };
  const pair = async (dialect: Dialect, servers: readonly [TestServer, TestServer]): Promise<Pair> => {
    const [native, spoken] = await Promise.all([cost(servers[0], NATIVE[dialect.rateHz]), cost(servers[1], dialect)]);
    return { native, dialect: spoken };
  };
  const pairs = new Map(DIALECTS.filter(({ name }) => names?.includes(name) ?? true).map((dialect) => [dialect, [] as Pair[]]));
  // Engines are warm then.
  await pair(NATIVE[16_000], [one, other]);
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [dialect, told] of pairs) {
      told.push(await pair(dialect, [one, other]), await pair(dialect, [other, one]));
      const [own, native] = [mean(told.slice(-2).map((each) => each.dialect), 'own'), mean(told.slice(-2).map((each) => each.native), 'own')];
      process.stdout.write(`round ${String(round + 1)}, ${dialect.name}: ${own.toFixed(2)} ms a second of the server's own, native ${native.toFixed(2)}: ${(own / native).toFixed(3)}\n`);
    }
  }
  upstream?.close();
  report(pairs, values.json);
}

/** So far, of the server's own process and of all. */
function used(pid: number): { readonly own: number; readonly whole: number } {
  return { own: cpuSeconds(pid), whole: family(pid).reduce((sum, each) => sum + cpuSeconds(each), 0) };
}

const mean = (costs: readonly Cost[], of: 'own' | 'whole'): number => costs.reduce((sum, cost) => sum + cost[of], 0) / costs.length;

function report(pairs: ReadonlyMap<Dialect, readonly Pair[]>, asJson: boolean): void {
  const rows = [...pairs].map(([{ name }, told]) => {
    const [dialect, native] = [told.map((pair) => pair.dialect), told.map((pair) => pair.native)];
    const side = (of: 'own' | 'whole') => ({ ms: mean(dialect, of), nativeMs: mean(native, of), ratio: mean(dialect, of) / mean(native, of) });
    return { name, own: side('own'), pairs: told.map((pair) => pair.dialect.own / pair.native.own), whole: side('whole'), messages: dialect.at(-1)?.messages ?? 0 };
  });
  printTable(
    ['', 'own ms/s', 'native', 'ratio', 'pairs', 'whole ms/s', 'native', 'ratio', 'messages'],
    rows.map(({ name, own, pairs: each, whole, messages }) => [
      name,
      own.ms.toFixed(2),
      own.nativeMs.toFixed(2),
      own.ratio.toFixed(3),
      each.map((one) => one.toFixed(2)).join(' '),
      whole.ms.toFixed(1),
      whole.nativeMs.toFixed(1),
      whole.ratio.toFixed(3),
      String(messages),
    ]),
  );
  const over = rows.filter(({ own }) => !(own.ratio <= GOAL)).map(({ name }) => name);
  process.stdout.write(over.length === 0 ? `all within ${String(GOAL)} times the native stream\n` : `over ${String(GOAL)} times the native stream: ${over.join(', ')}\n`);
  if (asJson) process.stdout.write(`${JSON.stringify({ goal: GOAL, over, dialects: Object.fromEntries(rows.map(({ name, ...row }) => [name, row])) })}\n`);
}

/** Two samples become three, on the line between them. */
function at24kHz(pcm: Uint8Array): Uint8Array {
  const input = new Int16Array(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.length));
  const output = Int16Array.from({ length: Math.floor((input.length * 3) / 2) }, (_, i) => {
    const position = (i * 2) / 3;
    const before = input[Math.floor(position)] ?? 0;
    return Math.round(before + ((input[Math.ceil(position)] ?? before) - before) * (position % 1));
  });
  return new Uint8Array(output.buffer);
}

await main();
