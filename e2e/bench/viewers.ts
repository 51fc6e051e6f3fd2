/**
 * Many readers of one session by server-sent events: how much later than the first the others have each event, and what they cost the server.
 *   npm run bench:viewers -- [--viewers N] [--json]
 * Readers and server share the machine: what is measured includes the readers' own turn.
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import { parseArgs } from 'node:util';
import { StreamClient } from '../clients/stream.ts';
import { eventually } from '../eventually.ts';
import { API, TestServer } from '../server.ts';
import { tellStory } from '../spoken.ts';
import { cpuSeconds } from './process-cpu.ts';
import { printTable } from './table.ts';

const BYTES_PER_SECOND = 32_000;
const CHUNK_BYTES = 3200;
/** Connections that are opened at a time. */
const OPENING = 100;

interface Reader {
  /** When each event came, in ms, by its number. */
  readonly seen: Map<number, number>;
  readonly ended: Promise<unknown>;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { viewers: { type: 'string', default: '1000' }, json: { type: 'boolean' } } });
  const count = Number(values.viewers);
  await using server = await TestServer.start();
  const audio = await readFile(await tellStory());
  // Once without readers, which is what the rest is held against.
  const alone = await speak(server, audio, 0);
  const watched = await speak(server, audio, count);
  const delaysMs = spread(watched.readers);
  const result = {
    viewers: count,
    events: new Set(watched.readers.flatMap(({ seen }) => [...seen.keys()])).size,
    delivery_p50_ms: quantile(delaysMs, 0.5),
    delivery_p99_ms: quantile(delaysMs, 0.99),
    missing_finals: watched.missing,
    cpu_seconds: watched.cpuSeconds,
    cpu_seconds_alone: alone.cpuSeconds,
    cpu_us_per_delivery: ((watched.cpuSeconds - alone.cpuSeconds) * 1e6) / Math.max(1, delaysMs.length),
  };
  printTable(['', ''], Object.entries(result).map(([name, value]) => [name, String(Math.round(value * 100) / 100)]));
  if (values.json) console.log(JSON.stringify(result));
}

/** Speaks in real time to a session that so many read. CPU is of the server's process, from when all are there until the last word. */
async function speak(server: TestServer, audio: Uint8Array, viewers: number) {
  const speaker = await StreamClient.connect(server);
  speaker.send({ type: 'open', media_type: 'audio/wav' });
  const ready = (await speaker.frame('ready', ({ type }) => type === 'ready')) as { readonly session_id?: string };
  const url = `${server.url}${API}/sessions/${String(ready.session_id)}/events`;
  const agent = new Agent({ maxSockets: Infinity });
  const readers: Reader[] = [];
  while (readers.length < viewers) readers.push(...(await Promise.all(Array.from({ length: Math.min(OPENING, viewers - readers.length) }, () => join(url, agent)))));
  await eventually('all have the first event', () => readers.every(({ seen }) => seen.size > 0));
  const before = cpuSeconds(server.pid);
  await speaker.sendAudio(audio, { chunkBytes: CHUNK_BYTES, bytesPerSecond: BYTES_PER_SECOND });
  speaker.send({ type: 'close' });
  await speaker.closeCode();
  await Promise.all(readers.map(({ ended }) => ended));
  const finals = speaker.finals.map(({ seq }) => seq);
  agent.destroy();
  return { readers, cpuSeconds: cpuSeconds(server.pid) - before, missing: readers.flatMap(({ seen }) => finals.filter((seq) => !seen.has(seq))).length };
}

async function join(url: string, agent: Agent): Promise<Reader> {
  const [response] = (await once(request(url, { agent }).end(), 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`a viewer was answered ${String(response.statusCode)}`);
  const seen = new Map<number, number>();
  response.setEncoding('latin1').on('data', (chunk: string) => {
    for (const [, id] of chunk.matchAll(/^id: (\d+)$/gm)) seen.set(Number(id), performance.now());
  });
  return { seen, ended: once(response, 'end') };
}

/** Of each event that was spoken while all were there, how long after the first reader each of them had it. */
function spread(readers: readonly Reader[]): number[] {
  const first = new Map<number, number>();
  for (const { seen } of readers) for (const [seq, atMs] of seen) first.set(seq, Math.min(atMs, first.get(seq) ?? Infinity));
  return readers.flatMap(({ seen }) => [...seen].filter(([seq]) => seq > 2).map(([seq, atMs]) => atMs - (first.get(seq) ?? atMs)));
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
}

await main();
