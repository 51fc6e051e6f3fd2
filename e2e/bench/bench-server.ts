import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A server of this project, started for one measurement. */
export interface BenchServer {
  /** `http://host:port` */
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

/** Starts `src/main.ts` on a free port with a data folder of its own; resolves when a recognizer can take a session. */
export async function startBenchServer(settings: Readonly<Record<string, string>> = {}): Promise<BenchServer> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'earshot-bench-'));
  const child = spawn(process.execPath, [...profiling(), path.resolve(import.meta.dirname, '../../src/main.ts')], {
    env: { ...process.env, PORT: '0', EARSHOT_DATA: dataDir, EARSHOT_LOG_LEVEL: 'warn', ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const url = await Promise.race([listeningUrl(child.stdout), exited.then(() => fail('The server ended before it listened.'))]);
    await ready(url);
    return { url, pid: child.pid ?? fail('The server has no process.'), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** `EARSHOT_BENCH_PROFILE=FOLDER` writes a CPU profile of the server's process there. */
function profiling(): string[] {
  const folder = process.env['EARSHOT_BENCH_PROFILE'];
  delete process.env['EARSHOT_BENCH_PROFILE'];
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}

async function listeningUrl(output: NodeJS.ReadableStream): Promise<string> {
  let said = '';
  output.setEncoding('utf8');
  for await (const text of output) {
    said += String(text);
    const url = /listens on (\S+)/.exec(said)?.[1];
    if (url === undefined) continue;
    output.resume();
    return url;
  }
  return fail('The server did not say where it listens.');
}

async function ready(url: string): Promise<void> {
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    const response = await fetch(`${url}/readyz`);
    if (response.ok) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  fail('No recognizer became ready.');
}

function fail(message: string): never {
  throw new Error(message);
}
