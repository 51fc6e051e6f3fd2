import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from 'node:test';
import type { EventData } from 'node:test';
import { inspect } from 'node:util';
import { PROOFS_VARIABLE } from '../../compatibility/proving.ts';
import { findMarkedProcesses, killMarkedProcesses, MARK_VARIABLE } from './processes.ts';
import type { MarkedProcess } from './processes.ts';

/** Longest time that one test file may take. */
const FILE_TIMEOUT_MS = 10 * 60_000;
/** How long a file's process and its children may live on after its last test. */
const EXIT_GRACE_MS = 10_000;
const MAX_OUTPUT_LINES = 200;

export interface Failure {
  readonly name: string;
  readonly detail: string;
}

export interface FileResult {
  readonly file: string;
  readonly durationMs: number;
  readonly passed: number;
  readonly failures: readonly Failure[];
  /** Names of tests that did not count: skipped, or still to be written, with the reason where one is given. */
  readonly skipped: readonly string[];
  /** The last lines that the file printed. */
  readonly output: readonly string[];
  /** Processes that the file left running; they were killed. */
  readonly leftBehind: readonly MarkedProcess[];
  /** What its tests have shown of other services' protocols. */
  readonly proven: readonly string[];
}

/** What `run` yields, as far as it is read here; @types/node leaves it untyped. */
type RunEvent =
  | { readonly type: 'test:start'; readonly data: EventData.TestStart }
  | { readonly type: 'test:pass'; readonly data: EventData.TestPass }
  | { readonly type: 'test:fail'; readonly data: EventData.TestFail }
  | { readonly type: 'test:stdout' | 'test:stderr'; readonly data: EventData.TestStdout }
  | { readonly type: 'test:summary'; readonly data: EventData.TestSummary };

/** Starts every mark of this run, so that one sweep at the end finds them all. */
export const RUN_MARK = randomUUID();

/** Runs one file in a process of its own. Never rejects for what the file does. */
export async function runTestFile(file: string): Promise<FileResult> {
  return new FileRun(file).result();
}

class FileRun {
  readonly #file: string;
  readonly #mark = `${RUN_MARK}/${randomUUID()}`;
  readonly #names: string[] = [];
  readonly #failures: Failure[] = [];
  readonly #skipped: string[] = [];
  readonly #output: string[] = [];
  readonly #leftBehind: MarkedProcess[] = [];
  #passed = 0;
  #stopped = false;

  constructor(file: string) {
    this.#file = file;
  }

  async result(): Promise<FileResult> {
    const startMs = performance.now();
    const timeout = setTimeout(() => this.#stop(`took longer than ${FILE_TIMEOUT_MS / 60_000} minutes`), FILE_TIMEOUT_MS);
    let grace: NodeJS.Timeout | undefined;
    const proofs = path.join(tmpdir(), `earshot-proofs-${randomUUID()}`);
    const env = { ...process.env, [MARK_VARIABLE]: this.#mark, [PROOFS_VARIABLE]: proofs };
    const events: AsyncIterable<RunEvent> = run({ files: [this.#file], concurrency: 1, env });
    for await (const event of events) {
      this.#take(event);
      // The file's own summary: its last test has ended, its process should end as well.
      if (event.type === 'test:summary' && event.data.file !== undefined) grace = setTimeout(() => this.#endLingering(), EXIT_GRACE_MS);
    }
    clearTimeout(timeout);
    clearTimeout(grace);
    this.#leftBehind.push(...killMarkedProcesses(this.#mark));
    if (this.#passed + this.#failures.length + this.#skipped.length === 0) this.#fail(this.#file, 'holds no test');
    return {
      file: this.#file,
      durationMs: performance.now() - startMs,
      passed: this.#passed,
      failures: this.#failures,
      skipped: this.#skipped,
      output: this.#output,
      leftBehind: this.#leftBehind,
      proven: takeLines(proofs),
    };
  }

  #take({ type, data }: RunEvent): void {
    if (type === 'test:start') this.#enter(data);
    else if (type === 'test:pass') this.#takePass(data);
    else if (type === 'test:fail') this.#takeFail(data);
    else if (type === 'test:stdout' || type === 'test:stderr') this.#print(data.message);
  }

  #enter(data: EventData.TestStart): void {
    this.#names.length = data.nesting;
    this.#names[data.nesting] = data.name;
  }

  #takePass(data: EventData.TestPass): void {
    // A file that holds no test passes as if it were one.
    if (data.details.type === 'suite' || this.#isFileItself(data.name)) return;
    if (isSet(data.skip)) this.#skipped.push(`${this.#fullName(data)}${reason(data.skip)}`);
    else if (isSet(data.todo)) this.#skipped.push(`${this.#fullName(data)} (to do${reason(data.todo)})`);
    else this.#passed += 1;
  }

  #takeFail(data: EventData.TestFail): void {
    if (isSet(data.todo)) return void this.#skipped.push(`${this.#fullName(data)} (to do${reason(data.todo)})`);
    const { error } = data.details;
    if (this.#isFileItself(data.name)) return this.#takeExit(error);
    // What holds a failed test fails with it: that is told once, by the test itself.
    if ('failureType' in error && error.failureType === 'subtestsFailed') return;
    this.#fail(this.#fullName(data), withoutRunnerFrames(inspect(error.cause ?? error, { depth: 4 })));
  }

  /** The process failed beside its tests: it did not load, crashed, or was stopped (which is told already). */
  #takeExit(error: Error): void {
    if (this.#stopped) return;
    const { exitCode, signal } = error as Error & { readonly exitCode?: number | null; readonly signal?: string | null };
    const cause = typeof signal === 'string' ? `was killed by ${signal}` : `ended with exit code ${exitCode ?? 'unknown'}`;
    this.#fail(this.#file, `the process ${cause}`);
  }

  #isFileItself(name: string): boolean {
    return path.resolve(name) === path.resolve(this.#file);
  }

  #fullName(data: { readonly name: string; readonly nesting: number }): string {
    return [...this.#names.slice(0, data.nesting), data.name].join(' > ');
  }

  #print(message: string): void {
    this.#output.push(...message.trimEnd().split('\n'));
    this.#output.splice(0, this.#output.length - MAX_OUTPUT_LINES);
  }

  #fail(name: string, detail: string): void {
    this.#failures.push({ name, detail });
  }

  #stop(why: string): void {
    this.#stopped = true;
    this.#fail(this.#file, why);
    killMarkedProcesses(this.#mark);
  }

  /** Ends what keeps the report open: the file's own process is at fault, a child that it forgot is only told. */
  #endLingering(): void {
    const own = findMarkedProcesses(this.#mark).some(({ command }) => command.includes(path.resolve(this.#file)) || command.endsWith(this.#file));
    if (own) return this.#stop(`did not exit within ${EXIT_GRACE_MS / 1000} s of its last test: something is still open`);
    this.#leftBehind.push(...killMarkedProcesses(this.#mark));
  }
}

/** The lines of a file, which goes; none if there is no such file. */
function takeLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter((line) => line !== '');
  } catch {
    return [];
  } finally {
    rmSync(file, { force: true });
  }
}

/** An error's text without the stack lines of Node's own test runner. */
function withoutRunnerFrames(text: string): string {
  return text.split('\n').filter((line) => !/^\s+at .*node:(internal|async_hooks)/.test(line)).join('\n');
}

function isSet(mark: string | boolean | undefined): boolean {
  return mark !== undefined && mark !== false;
}

function reason(mark: string | boolean | undefined): string {
  return typeof mark === 'string' ? `: ${mark}` : '';
}
