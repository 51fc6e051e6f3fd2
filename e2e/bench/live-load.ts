import { execFile, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { TestServer } from '../server.ts';
import { wordErrors } from '../wer.ts';
import { monotonicMs, type ClientResult, type ClientStream, type FromClients, type HeardWord, type ToClients, type Transport } from './live-messages.ts';
import { cpuSeconds, machineSeconds } from './process-cpu.ts';
import { stageTimes, type StageTimes } from './stage-times.ts';
import type { Talk } from './talk.ts';

/** Silence that ends an utterance: the server's default. */
export const ENDPOINT_MS = 700;
/** Excluded at the beginning of every stream: decoders load, cepstral means settle. */
export const WARM_UP_MS = 20_000;
/** Streams go on for this long after the measured window, under the same load, so that its last finals are measured too. */
export const RUN_OUT_MS = 4000;

export interface LoadShape {
  /** Measured after everybody's warm-up. */
  readonly seconds: number;
  /** From one stream's start to the next one's. */
  readonly joinMs: number;
}

/** All talks last this long; those that join later are broken off. */
export const talkLengthMs = (streams: number, { seconds, joinMs }: LoadShape): number => streams * joinMs + WARM_UP_MS + seconds * 1000 + RUN_OUT_MS;

export interface StreamOutcome {
  readonly transport: Transport;
  /** Speech end to final less {@link ENDPOINT_MS}, per utterance of the window, in order. */
  readonly latenciesMs: readonly number[];
  /** Utterances that no final ended with. */
  readonly missed: number;
  readonly wordErrorRate: number;
  /** Chunks sent more than 20 ms late: the client's own fault. */
  readonly lateChunks: number;
  readonly errors: readonly string[];
}

export interface LoadResult {
  readonly streams: readonly StreamOutcome[];
  readonly stages: readonly StageTimes[];
  /** Of one core. */
  readonly serverCpu: number;
  readonly engineCpu: number;
  readonly clientCpu: number;
  /** All cores, whoever used them. */
  readonly machineCpu: number;
  readonly stolenCpu: number;
}

/** One process of clients. */
export interface Clients {
  readonly transport: Transport;
  readonly child: ChildProcess;
  readonly specs: readonly ClientStream[];
}

/** Half of the talks by WebRTC, half by WebSocket, all in real time, to a server with room for just so many. */
export async function runLoad(talks: readonly Talk[], { seconds, joinMs }: LoadShape, folder: string): Promise<LoadResult> {
  const env = { EARSHOT_MAX_LIVE_SESSIONS: String(talks.length), EARSHOT_LOG_LEVEL: 'error', ...profiling() };
  await using server = await TestServer.start({ env });
  const clients = await startClients(server.url, talks, joinMs, folder);
  try {
    const startMs = monotonicMs() + 500;
    for (const { child } of clients) send(child, { type: 'play', startMs });
    const warmMs = startMs + talks.length * joinMs + WARM_UP_MS;
    const windowMs = { from: warmMs, to: warmMs + seconds * 1000 };
    await pause(windowMs.from - monotonicMs());
    const before = await look(server, clients);
    await pause(windowMs.to - monotonicMs());
    const after = await look(server, clients);
    await pause(RUN_OUT_MS);
    const results = await Promise.all(clients.map(({ child }) => finish(child)));
    const streams = clients.flatMap(({ transport, specs }, index) =>
      results[index]!.map((result, position) => judge(transport, talks[result.index]!, result, startMs + specs[position]!.offsetMs, windowMs)),
    );
    const share = (pick: (each: typeof after) => number): number => (pick(after) - pick(before)) / (after.atSeconds - before.atSeconds);
    return {
      streams,
      stages: stageTimes(before.metrics, after.metrics),
      serverCpu: share((each) => each.server),
      engineCpu: share((each) => each.engines),
      clientCpu: share((each) => each.clients),
      machineCpu: share((each) => each.busy),
      stolenCpu: share((each) => each.stolen),
    };
  } finally {
    for (const { child } of clients) child.kill();
  }
}

/** `EARSHOT_BENCH_PROFILE=FOLDER` writes CPU profiles of the server and its engine processes there. */
function profiling(): Record<string, string> {
  const folder = process.env['EARSHOT_BENCH_PROFILE'];
  return folder === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
}

/** Resolves once all are connected; they speak when told to `play`. Talks are shared out by transport, by turns. */
export async function startClients(serverUrl: string, talks: readonly Talk[], joinMs: number, folder: string): Promise<Clients[]> {
  const specs: Record<Transport, ClientStream[]> = { webrtc: [], websocket: [] };
  for (const [index, talk] of talks.entries()) {
    const transport = index % 2 === 0 ? 'webrtc' : 'websocket';
    // Steps that are no multiple of a packet: streams do not all send in the same moment.
    const offsetMs = index * joinMs + ((index * 7) % 20);
    specs[transport].push({ index, audioFile: await writeAudio(talk, transport, path.join(folder, `talk-${index}`)), offsetMs });
  }
  const transports = (['webrtc', 'websocket'] as const).filter((transport) => specs[transport].length > 0);
  return Promise.all(
    transports.map(async (transport) => {
      const child = fork(path.join(import.meta.dirname, 'live-clients.ts'), [], { serialization: 'advanced' });
      send(child, { type: 'connect', serverUrl, transport, streams: specs[transport] });
      await answer(child);
      return { transport, child, specs: specs[transport] };
    }),
  );
}

async function writeAudio(talk: Talk, transport: Transport, file: string): Promise<string> {
  const pcmFile = `${file}.pcm`;
  await writeFile(pcmFile, Buffer.from(talk.samples.buffer));
  if (transport === 'websocket') return pcmFile;
  const encoder = ['-c:a', 'libopus', '-b:a', '32k', '-application', 'voip', '-frame_duration', '20'];
  await promisify(execFile)('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-f', 's16le', '-ar', '16000', '-ac', '1', '-i', pcmFile, ...encoder, `${file}.ogg`]);
  return `${file}.ogg`;
}

export function send(child: ChildProcess, message: ToClients): void {
  child.send(message);
}

async function answer(child: ChildProcess): Promise<FromClients> {
  const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [{ type: 'failed', reason: 'it ended' }])])) as [FromClients];
  if (message.type === 'failed') throw new Error(`the clients failed: ${message.reason}`);
  return message;
}

/** Has the clients stop, and answers what they heard. */
export async function finish(child: ChildProcess): Promise<readonly ClientResult[]> {
  send(child, { type: 'finish' });
  const message = await answer(child);
  return message.type === 'results' ? message.results : [];
}

async function look(server: TestServer, clients: readonly Clients[]) {
  const metrics = await server.metrics();
  const sum = (pids: readonly number[]): number => pids.reduce((total, pid) => total + cpuSeconds(pid), 0);
  const { busy, stolen } = machineSeconds();
  const own = process.cpuUsage();
  return {
    atSeconds: monotonicMs() / 1000,
    metrics,
    server: cpuSeconds(server.pid),
    engines: sum(server.process.enginePids),
    clients: sum(clients.map(({ child }) => child.pid ?? 0)) + (own.user + own.system) / 1e6,
    busy,
    stolen,
  };
}

/** Word times are this far from the truth at most. */
const TIME_TOLERANCE_MS = 300;
const LATE_CHUNK_MS = 20;

/** What a stream that began at `startMs` got for what was said in the window. */
export function judge(transport: Transport, talk: Talk, result: ClientResult, startMs: number, windowMs: { readonly from: number; readonly to: number }): StreamOutcome {
  const { sentMs, chunkMs, finals, errors } = result;
  const inWindow = talk.utterances.filter(({ startMs: from, endMs }) => startMs + from >= windowMs.from && startMs + endMs + ENDPOINT_MS <= windowMs.to);
  const latenciesMs: number[] = [];
  for (const { startMs: from, endMs } of inWindow) {
    // The final that the utterance's second half ended up in.
    const final = finals.findLast(({ words }) => words.some((word) => isBetween(middleMs(word), (from + endMs) / 2, endMs + TIME_TOLERANCE_MS)));
    const spokenMs = sentMs[Math.ceil(endMs / chunkMs) - 1];
    if (final && spokenMs !== undefined) latenciesMs.push(final.arrivedMs - spokenMs - ENDPOINT_MS);
  }
  const [first, last] = [inWindow[0]?.startMs ?? 0, inWindow.at(-1)?.endMs ?? 0];
  const heard = finals.flatMap(({ words }) => words).filter((word) => isBetween(middleMs(word), first - TIME_TOLERANCE_MS, last + TIME_TOLERANCE_MS));
  return {
    transport,
    latenciesMs,
    missed: inWindow.length - latenciesMs.length,
    wordErrorRate: wordErrors(inWindow.map(({ text }) => text).join(' '), heard.map(({ text }) => text).join(' ')).rate,
    lateChunks: sentMs.filter((atMs, index) => atMs - (startMs + (index + 1) * chunkMs) > LATE_CHUNK_MS).length,
    errors,
  };
}

const middleMs = ({ start, end }: HeardWord): number => ((start + end) / 2) * 1000;
const isBetween = (value: number, low: number, high: number): boolean => value >= low && value <= high;
