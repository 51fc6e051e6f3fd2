/**
 * What a dialect costs the server beside the native stream, as CPU of the server's process for each second of audio; recognizers are processes of their own and are left out.
 * Usage: `npm run bench:dialects -- [--streams N] [--rounds R] [--speed X] [--digests] [--only NAMES] [--json]`. Each round, every protocol in turn streams the tests' story N (default 6) times at once, X (default 1)
 * times as fast as it was spoken; the first round's order is turned in the next. The figure is the least of the R (default 2) rounds: what else the machine does only adds. `--digests` puts a server that does next to nothing in the recognizer's
 * place, for a busy machine; there are no interims then. `--only gladia,pulse`: these, and
 * what they are held against. `--json` adds one JSON object as the last line. Goal: at most 1.15 times the native stream with the same audio. Linux only; wants a quiet machine.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { DigestUpstream, startWithDigests } from '../digest-upstream.ts';
import { TestServer } from '../server.ts';
import { tellStory } from '../spoken.ts';
import { samplesOf } from '../wav.ts';
import { type Dialect, DIALECTS, streamBy } from './dialect-clients.ts';
import { cpuSeconds } from './process-cpu.ts';
import { printTable } from './table.ts';

const GOAL = 1.15;
const BYTES_PER_SECOND = 32_000;

interface Cost {
  readonly dialect: Dialect;
  /** Milliseconds of CPU for a second of audio, by round. */
  readonly msPerSecond: number[];
  messages: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { streams: { type: 'string', default: '6' }, rounds: { type: 'string', default: '2' }, speed: { type: 'string', default: '1' }, digests: { type: 'boolean', default: false }, only: { type: 'string' }, json: { type: 'boolean', default: false } },
  });
  const streams = Number(values.streams);
  const speed = Number(values.speed);
  const upstream = values.digests ? await DigestUpstream.start() : undefined;
  await using server = upstream ? await startWithDigests(upstream) : await TestServer.start();
  const story = samplesOf(await readFile(await tellStory()));
  const audio = { 16_000: story, 24_000: at24kHz(story) } as const;
  const audioSeconds = (streams * story.length) / BYTES_PER_SECOND;
  const run = async (dialect: Dialect, count: number): Promise<number> => {
    const messages = await Promise.all(Array.from({ length: count }, () => streamBy(dialect, server, audio[dialect.rateHz], speed)));
    await server.idle();
    return messages.reduce((sum, each) => sum + each, 0);
  };
  // Engines are warm then.
  for (const dialect of DIALECTS.slice(0, 1)) await run(dialect, streams);
  const costs: Cost[] = chosen(values.only?.split(',')).map((dialect) => ({ dialect, msPerSecond: [], messages: 0 }));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const cost of round % 2 === 0 ? costs : costs.toReversed()) {
      const before = cpuSeconds(server.pid);
      cost.messages = await run(cost.dialect, streams);
      cost.msPerSecond.push(((cpuSeconds(server.pid) - before) * 1000) / audioSeconds);
    }
  }
  upstream?.close();
  report(costs, values.json);
}

function chosen(names: readonly string[] | undefined): readonly Dialect[] {
  if (!names) return DIALECTS;
  const wanted = DIALECTS.filter(({ name }) => names.includes(name));
  return DIALECTS.filter((dialect) => wanted.includes(dialect) || wanted.some(({ against }) => against === dialect.name));
}

function report(costs: readonly Cost[], asJson: boolean): void {
  const least = (name: string): number => Math.min(...(costs.find(({ dialect }) => dialect.name === name)?.msPerSecond ?? [NaN]));
  const rows = costs.map(({ dialect, msPerSecond, messages }) => ({ name: dialect.name, msPerSecond: least(dialect.name), ratio: least(dialect.name) / least(dialect.against), messages, rounds: msPerSecond }));
  printTable(
    ['', 'CPU ms per s', 'rounds', 'ratio', 'messages'],
    rows.map(({ name, msPerSecond, ratio, messages, rounds }) => [name, msPerSecond.toFixed(2), rounds.map((each) => each.toFixed(2)).join(' '), ratio.toFixed(2), String(messages)]),
  );
  const over = rows.filter(({ ratio }) => !(ratio <= GOAL)).map(({ name }) => name);
  process.stdout.write(over.length === 0 ? `all within ${GOAL} times the native stream\n` : `over ${GOAL} times the native stream: ${over.join(', ')}\n`);
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
