/**
 * Does a job in the background make live captions late? Streams speak in real time to a server of their own, half WebRTC and half WebSocket, through windows
 * by turns without and with as many long jobs as it works on at a time; what counts is the same streams' lateness in both.
 * Usage: `npm run bench:jobs -- [--streams N] [--seconds S] [--rounds R] [--json]`. N (default 4) streams, R (default 2) times a window of S (default 25)
 * seconds without and one with jobs. `--json` adds one JSON object as the last line. Linux only; wants a quiet machine.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, getPriority, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { call } from '../clients/rest.ts';
import { eventually } from '../eventually.ts';
import { API, TestServer } from '../server.ts';
import { wavFile } from '../wav.ts';
import { ENDPOINT_MS, finish, judge, send, startClients, WARM_UP_MS } from './live-load.ts';
import { monotonicMs } from './live-messages.ts';
import { cpuSeconds, machineSeconds } from './process-cpu.ts';
import { printTable } from './table.ts';
import { loadSentences, makeTalk } from './talk.ts';

const JOIN_MS = 2000;
/** Between two windows: jobs are cancelled or get going, and the last finals of the window before come. */
const CHANGE_MS = 4000;
/** So long that no job ends within its window. */
const JOB_AUDIO_MS = 240_000;
/** A final that comes later than this after the silence that ends its utterance is late to a reader. */
const LATE_MS = 300;

const CPU_USERS = ['server', 'liveEngines', 'jobEngines', 'others'] as const;
type CpuUser = (typeof CPU_USERS)[number];

interface Window {
  readonly withJobs: boolean;
  readonly from: number;
  readonly to: number;
  /** Of one core, each. */
  readonly cpu: Readonly<Record<CpuUser, number>>;
  /** Audio that the jobs read while it lasted, in seconds per second. */
  readonly jobRate: number;
}

const CPU_NAMES: Readonly<Record<CpuUser, string>> = { server: 'server', liveEngines: 'live engines', jobEngines: 'engines of jobs', others: 'all others' };

interface Side {
  readonly utterances: number;
  readonly missed: number;
  readonly late: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly worstMs: number;
  readonly wordErrorRate: number;
  readonly cpu: Readonly<Record<CpuUser, number>>;
  readonly jobRate: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { streams: { type: 'string', default: '4' }, seconds: { type: 'string', default: '25' }, rounds: { type: 'string', default: '2' }, json: { type: 'boolean', default: false } },
  });
  const [count, windowMs, rounds] = [Number(values.streams), Number(values.seconds) * 1000, Number(values.rounds)];
  const folder = await mkdtemp(path.join(tmpdir(), 'earshot-jobs-'));
  try {
    print(`load of the machine before: ${loadavg().map((each) => each.toFixed(2)).join(' ')}`);
    const sentences = await loadSentences();
    const lengthMs = count * JOIN_MS + WARM_UP_MS + 2 * rounds * (windowMs + 2 * CHANGE_MS) + CHANGE_MS;
    const talks = Array.from({ length: count }, (_, seed) => makeTalk(sentences, seed, lengthMs));
    const long = wavFile(new Uint8Array(makeTalk(sentences, 1000, JOB_AUDIO_MS).samples.buffer));
    await using server = await TestServer.start({ env: { EARSHOT_LOG_LEVEL: 'error', EARSHOT_MAX_LIVE_SESSIONS: String(count) } });
    const clients = await startClients(server.url, talks, JOIN_MS, folder);
    try {
      const startMs = monotonicMs() + 500;
      for (const { child } of clients) send(child, { type: 'play', startMs });
      await pause(startMs + count * JOIN_MS + WARM_UP_MS - monotonicMs());
      const windows: Window[] = [];
      for (let turn = 0; turn < 2 * rounds; turn += 1) windows.push(await watch(server, turn % 2 === 1 ? long : undefined, windowMs));
      const results = await Promise.all(clients.map(({ child }) => finish(child)));
      const outcomes = windows.map((window) =>
        clients.flatMap(({ transport, specs }, index) => results[index]!.map((result, position) => judge(transport, talks[result.index]!, result, startMs + specs[position]!.offsetMs, window))),
      );
      for (const [index, { withJobs }] of windows.entries()) {
        const latencies = outcomes[index]!.flatMap(({ latenciesMs }) => latenciesMs);
        print(`window ${String(index + 1)}, ${withJobs ? 'with' : 'without'} jobs: p50 ${quantile(latencies, 0.5).toFixed(0)} ms, worst ${quantile(latencies, 1).toFixed(0)} ms`);
      }
      const side = (withJobs: boolean): Side => summarize(windows.filter((each) => each.withJobs === withJobs), outcomes.filter((_, index) => windows[index]?.withJobs === withJobs).flat());
      conclude(count, side(false), side(true), [...new Set(results.flat().flatMap(({ errors }) => errors))], values.json);
    } finally {
      for (const { child } of clients) child.kill();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Lets a window pass, with jobs running from before its start to its end if there is audio for them. */
async function watch(server: TestServer, audio: Buffer | undefined, windowMs: number): Promise<Window> {
  const jobs = audio ? await Promise.all(Array.from({ length: availableParallelism() }, () => submit(server, audio))) : [];
  await eventually('the jobs run', async () => (await Promise.all(jobs.map((id) => job(server, id)))).every(({ status, progress }) => status === 'running' && progress > 0));
  await pause(CHANGE_MS);
  const before = await look(server, jobs);
  await pause(windowMs);
  const after = await look(server, jobs);
  for (const id of jobs) await call(server, 'POST', `transcribe/jobs/${id}/cancel`);
  const seconds = (after.atMs - before.atMs) / 1000;
  return {
    withJobs: audio !== undefined,
    from: before.atMs,
    to: after.atMs,
    cpu: Object.fromEntries(CPU_USERS.map((user) => [user, (after.cpu[user] - before.cpu[user]) / seconds])) as Window['cpu'],
    jobRate: ((after.progress - before.progress) * JOB_AUDIO_MS) / 1000 / seconds,
  };
}

async function look(server: TestServer, jobs: readonly string[]) {
  const states = await Promise.all(jobs.map((id) => job(server, id)));
  if (states.some(({ status }) => status !== 'running')) throw new Error('a job ended before its window did: give it longer audio');
  const sum = (pids: readonly number[]): number => pids.reduce((total, pid) => total + cpuSeconds(pid), 0);
  const ofLive = (pid: number): boolean => getPriority(pid) === getPriority();
  const { enginePids } = server.process;
  const cpu = { server: cpuSeconds(server.pid), liveEngines: sum(enginePids.filter(ofLive)), jobEngines: sum(enginePids.filter((pid) => !ofLive(pid))) };
  const others = machineSeconds().busy - cpu.server - cpu.liveEngines - cpu.jobEngines;
  return { atMs: monotonicMs(), cpu: { ...cpu, others }, progress: states.reduce((sum, { progress }) => sum + progress, 0) };
}

async function submit(server: TestServer, audio: Buffer): Promise<string> {
  const form = new FormData();
  form.set('file', new Blob([Uint8Array.from(audio)]), 'long.wav');
  form.set('force_async', 'true');
  const answer = await fetch(`${server.url}${API}/transcribe`, { method: 'POST', body: form });
  return ((await answer.json()) as { readonly data: { readonly job_id: string } }).data.job_id;
}

interface Job {
  readonly status: string;
  readonly progress: number;
}

async function job(server: TestServer, id: string): Promise<Job> {
  const { data } = await call<Job>(server, 'GET', `transcribe/jobs/${id}`);
  if (!data) throw new Error('a job is gone');
  return data;
}

function summarize(windows: readonly Window[], streams: readonly ReturnType<typeof judge>[]): Side {
  const latencies = streams.flatMap(({ latenciesMs }) => latenciesMs);
  const mean = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / Math.max(1, values.length);
  return {
    utterances: latencies.length,
    missed: streams.reduce((sum, { missed }) => sum + missed, 0),
    late: latencies.filter((each) => each > LATE_MS).length,
    p50Ms: quantile(latencies, 0.5),
    p95Ms: quantile(latencies, 0.95),
    worstMs: quantile(latencies, 1),
    wordErrorRate: mean(streams.map(({ wordErrorRate }) => wordErrorRate)),
    cpu: Object.fromEntries(CPU_USERS.map((user) => [user, mean(windows.map(({ cpu }) => cpu[user]))])) as Side['cpu'],
    jobRate: mean(windows.map(({ jobRate }) => jobRate)),
  };
}

function conclude(streams: number, without: Side, beside: Side, errors: readonly string[], json: boolean): void {
  print(`${streams} live streams, half WebRTC, half WebSocket; final after speech end + ${ENDPOINT_MS} ms:`);
  const row = (name: string, of: (side: Side) => number, digits = 0, unit = ''): string[] => [name, `${of(without).toFixed(digits)}${unit}`, `${of(beside).toFixed(digits)}${unit}`, (of(beside) / of(without)).toFixed(2)];
  printTable(
    ['', 'without jobs', 'with jobs', 'ratio'],
    [
      row('p50', ({ p50Ms }) => p50Ms, 0, ' ms'),
      row('p95', ({ p95Ms }) => p95Ms, 0, ' ms'),
      row('worst', ({ worstMs }) => worstMs, 0, ' ms'),
      row(`later than ${LATE_MS} ms`, ({ late, utterances }) => (late / utterances) * 100, 1, ' %'),
      row('word error rate', ({ wordErrorRate }) => wordErrorRate * 100, 1, ' %'),
      ...CPU_USERS.map((user) => row(`CPU of one core, ${CPU_NAMES[user]}`, ({ cpu }) => cpu[user] * 100, 0, ' %')),
    ],
  );
  print(`${without.utterances} and ${beside.utterances} utterances, ${without.missed} and ${beside.missed} without final; beside the streams the jobs heard ${beside.jobRate.toFixed(1)} s of audio a second`);
  for (const error of errors) print(`error: ${error}`);
  const ratios = { p50: beside.p50Ms / without.p50Ms, p95: beside.p95Ms / without.p95Ms, worst: beside.worstMs / without.worstMs };
  if (json) print(JSON.stringify({ streams, without, beside, ratios, errors }));
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

await main();
