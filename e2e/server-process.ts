import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '..');

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One line of the server's log. `level`: 30 info, 40 warning, 50 error. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** The real server as a child process, started as `npm start` starts it, with nothing of this process's own settings. */
export class ServerProcess {
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(settings: Readonly<Record<string, string>>, args: readonly string[] = []) {
    const inherited = Object.entries(process.env).filter(([name]) => name !== 'PORT' && !/^(EARSHOT|NODE)_/.test(name));
    this.#child = spawn(process.execPath, ['src/main.ts', ...args], {
      cwd: ROOT,
      env: { ...Object.fromEntries(inherited), ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => resolve({ code, signal }));
    });
    this.exited.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** What the server logged so far. */
  get log(): LogLine[] {
    const lines = this.#stderr.slice(0, this.#stderr.lastIndexOf('\n') + 1).split('\n');
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine);
  }

  /** Pids of the processes that hold the speech engine. */
  get enginePids(): number[] {
    return childrenOf(this.pid).filter((pid) => read(`/proc/${pid}/cmdline`).includes('engine-process'));
  }

  /** Pids of the processes that decode containers at the moment. */
  get decoderPids(): number[] {
    return childrenOf(this.pid).filter((pid) => read(`/proc/${pid}/cmdline`).includes('ffmpeg'));
  }

  /** Pids of the processes that run the speaker engine at the moment. */
  get speakerPids(): number[] {
    return childrenOf(this.pid).filter((pid) => read(`/proc/${pid}/cmdline`).includes('speakers/engine-process'));
  }

  /** Count of the server's open file descriptors. */
  get openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    // After the command, which may hold blanks and brackets itself: state, then the parent.
    .filter((pid) => pid > 0 && /.*\) \S (\d+) /.exec(read(`/proc/${pid}/stat`))?.[1] === String(parent));
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
