/**
 * Many readers of one session: how much later than the first the others have each event, and what they cost the server.
 *   npm run bench:viewers -- [--viewers N] [--kind sse|websocket] [--processes N] [--json]
 * Readers are spread over processes, which share the machine with the server: what is measured includes the readers' own turn.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { StreamClient } from '../clients/stream.ts';
import { API, TestServer } from '../server.ts';
import { tellStory } from '../spoken.ts';
import { cpuSeconds } from './process-cpu.ts';
import { printTable } from './table.ts';
import type { OpenViewers, ViewerKind, ViewerReport } from './viewer-process.ts';

const BYTES_PER_SECOND = 32_000;
const CHUNK_BYTES = 3200;
const KINDS: readonly ViewerKind[] = ['sse', 'websocket'];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { viewers: { type: 'string', default: '5000' }, kind: { type: 'string' }, processes: { type: 'string', default: '4' }, json: { type: 'boolean' } },
  });
  const count = Number(values.viewers);
  const kinds = KINDS.filter((kind) => values.kind === undefined || values.kind === kind);
  const audio = await readFile(await tellStory());
  const results: Awaited<ReturnType<typeof measure>>[] = [];
  for (const kind of kinds) results.push(await measure(kind, count, Number(values.processes), audio));
  const names = Object.keys(results[0] ?? {});
  printTable(['', ...kinds], names.filter((name) => name !== 'kind').map((name) => [name, ...results.map((result) => String(Math.round(Number(result[name as keyof typeof result]) * 100) / 100))]));
  if (values.json) console.log(JSON.stringify({ viewers: count, ...Object.fromEntries(results.map(({ kind, ...rest }) => [kind, rest])) }));
}

async function measure(kind: ViewerKind, count: number, processes: number, audio: Uint8Array) {
  await using server = await TestServer.start({ env: { EARSHOT_REQUESTS_PER_MINUTE: '1000000' } });
  // Once without readers, which is what the rest is held against.
  const alone = await speak(server, audio, kind, 0, 0);
  const watched = await speak(server, audio, kind, count, processes);
  const delaysMs = spread(watched.events);
  return {
    kind,
    viewers: count,
    events: watched.events.size,
    delivery_p50_ms: quantile(delaysMs, 0.5),
    delivery_p99_ms: quantile(delaysMs, 0.99),
    delivery_max_ms: delaysMs.at(-1) ?? 0,
    missing_finals: watched.finals.reduce((sum, seq) => sum + count - (watched.events.get(seq)?.length ?? 0), 0),
    cpu_cores: (watched.cpuSeconds - alone.cpuSeconds) / watched.seconds,
    cpu_seconds: watched.cpuSeconds,
    cpu_seconds_alone: alone.cpuSeconds,
    cpu_us_per_delivery: ((watched.cpuSeconds - alone.cpuSeconds) * 1e6) / Math.max(1, delaysMs.length),
    rss_kb_per_viewer: (watched.rssBytes - alone.rssBytes) / 1024 / Math.max(1, count),
  };
}

/** Speaks in real time to a session that so many read. CPU is of the server's process, from when all are there until the last word. */
async function speak(server: TestServer, audio: Uint8Array, kind: ViewerKind, viewers: number, processes: number) {
  const speaker = await StreamClient.connect(server);
  speaker.send({ type: 'open', media_type: 'audio/wav' });
  const ready = (await speaker.frame('ready', ({ type }) => type === 'ready')) as { readonly session_id?: string };
  const { hostname, port } = new URL(server.url);
  const path = `${API}/sessions/${String(ready.session_id)}/${kind === 'sse' ? 'events' : 'watch'}`;
  const crowds = Array.from({ length: processes }, (_, index) => new Crowd({ host: hostname, port: Number(port), path, kind, count: Math.floor((viewers + index) / processes) }));
  await Promise.all(crowds.map(({ joined }) => joined));
  const before = cpuSeconds(server.pid);
  const startMs = performance.now();
  await speaker.sendAudio(audio, { chunkBytes: CHUNK_BYTES, bytesPerSecond: BYTES_PER_SECOND });
  speaker.send({ type: 'close' });
  await speaker.closeCode();
  const events = new Map<number, number[]>();
  for (const { events: some } of await Promise.all(crowds.map(({ seen }) => seen))) {
    for (const [seq, times] of some) events.set(seq, [...(events.get(seq) ?? []), ...times]);
  }
  return {
    events,
    finals: speaker.finals.map(({ seq }) => seq),
    seconds: (performance.now() - startMs) / 1000,
    cpuSeconds: cpuSeconds(server.pid) - before,
    rssBytes: await server.metric('earshot_process_resident_bytes'),
  };
}

/** The viewers of one process. */
class Crowd {
  readonly joined: Promise<void>;
  readonly seen: Promise<Extract<ViewerReport, { readonly type: 'seen' }>>;
  readonly #process: ChildProcess;

  constructor(wish: OpenViewers) {
    this.#process = fork(fileURLToPath(new URL('viewer-process.ts', import.meta.url)), { serialization: 'advanced' });
    this.joined = this.#report('joined').then(() => undefined);
    this.seen = this.#report('seen');
    this.#process.send(wish);
  }

  async #report<T extends ViewerReport['type']>(type: T): Promise<Extract<ViewerReport, { readonly type: T }>> {
    for (;;) {
      // After its last message; its exit may be told before that.
      const exited = once(this.#process, 'disconnect').then(() => {
        throw new Error(`viewers ended before they ${type}`);
      });
      const [report] = (await Promise.race([once(this.#process, 'message'), exited])) as [ViewerReport];
      if (report.type === type) return report as Extract<ViewerReport, { readonly type: T }>;
    }
  }
}

/** Of each event that was spoken while all were there, how long after the first reader each of them had it; ascending. */
function spread(events: ReadonlyMap<number, readonly number[]>): Float64Array {
  const delays = [...events].filter(([seq]) => seq > 2).flatMap(([, times]) => {
    const first = times.reduce((one, other) => Math.min(one, other), Infinity);
    return times.map((atMs) => atMs - first);
  });
  return Float64Array.from(delays).sort();
}

const quantile = (sorted: Float64Array, share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

await main();
