import { type ChildProcess, fork } from 'node:child_process';
import { lowerPriority } from '../../processes/priority.ts';

/** How an engine process is started. */
export interface EngineCommand {
  /** Path of the module that the process runs; it must send `{type:'ready'}` once it can serve. */
  readonly modulePath: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Scheduling niceness, added to that of this process. Default 0. */
  readonly niceness?: number;
}

/** One running process. Messages go by structured clone. */
export interface EngineProcess<In, Out> {
  readonly pid: number;
  send(message: In): void;
  /** Registers one stream's ear; `lost` is called once if the process ends first. */
  attach(stream: number, ear: EngineEar<Out>): void;
  detach(stream: number): void;
}

export interface EngineEar<Out> {
  message(message: Out): void;
  lost(): void;
}

export interface EnginePoolOptions {
  readonly command: EngineCommand;
  readonly processes: number;
  /** Time a process has to become ready. Default 30 s. */
  readonly startTimeoutMs?: number;
  readonly onExit: (exit: { readonly pid: number; readonly code: number | null; readonly signal: string | null }) => void;
  readonly onStartFailed: (reason: string) => void;
}

interface Slot<In, Out> {
  process: (EngineProcess<In, Out> & { readonly streams: Map<number, EngineEar<Out>> }) | undefined;
  child: ChildProcess | undefined;
  /** Processes that ended one after the other without serving for long. */
  failures: number;
  retryTimer: NodeJS.Timeout | undefined;
  steadyTimer: NodeJS.Timeout | undefined;
}

const DEFAULT_START_TIMEOUT_MS = 30_000;
const MAX_RETRY_MS = 30_000;
/** A process that has served for so long was sound: what ends it later has not to do with its start. */
const STEADY_MS = 10_000;
const MAX_STDERR_CHARS = 2000;

/**
 * A fixed number of engine processes, each replaced when it dies: at once after a crash in service, with growing
 * pauses when it does not start or one after the other dies young. Native code that aborts takes only its own process along.
 */
export class EnginePool<In, Out extends { readonly type: string }> {
  readonly #options: EnginePoolOptions;
  readonly #slots: Slot<In, Out>[] = [];
  readonly #waiting: ((process: EngineProcess<In, Out> | undefined) => void)[] = [];
  #startWatchers: ((reason: string) => void)[] = [];
  #restarts = 0;
  #lastReason = 'the engine is starting';
  #closed = false;

  constructor(options: EnginePoolOptions) {
    this.#options = options;
    for (let index = 0; index < options.processes; index += 1) {
      const slot: Slot<In, Out> = { process: undefined, child: undefined, failures: 0, retryTimer: undefined, steadyTimer: undefined };
      this.#slots.push(slot);
      this.#start(slot);
    }
  }

  get restarts(): number {
    return this.#restarts;
  }

  get readyProcesses(): number {
    return this.#slots.filter((slot) => slot.process).length;
  }

  /** No process serves, and none could be brought back: each died, and then failed again. */
  get isDown(): boolean {
    return this.#slots.every((slot) => !slot.process && slot.failures > 1);
  }

  /** Why no process is ready. */
  get reason(): string {
    return this.#lastReason;
  }

  /** Pids of the running processes, ready or not. */
  get pids(): number[] {
    return this.#slots.flatMap((slot) => slot.child?.pid ?? []);
  }

  /** The ready process with the fewest streams; waits for one to start. Undefined once the pool is closed. */
  pick(): Promise<EngineProcess<In, Out> | undefined> {
    const ready = this.#slots.flatMap((slot) => slot.process ?? []);
    const [first, ...others] = ready;
    if (first) {
      return Promise.resolve(others.reduce((least, other) => (other.streams.size < least.streams.size ? other : least), first));
    }
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Tells all that serve now. One that comes up later has not heard it. */
  broadcast(message: In): void {
    for (const { process } of this.#slots) process?.send(message);
  }

  /** Resolves once a process can serve; rejects with the reason if one fails to start before. */
  async ready(): Promise<void> {
    if (this.readyProcesses > 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push((process) => {
        if (process) resolve();
        else reject(new Error('the engine is shutting down'));
      });
      this.#startWatchers.push((reason) => {
        reject(new Error(reason));
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const wake of this.#waiting.splice(0)) wake(undefined);
    await Promise.all(
      this.#slots.map(async (slot) => {
        clearTimeout(slot.retryTimer);
        clearTimeout(slot.steadyTimer);
        const { child } = slot;
        if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
        const exited = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        await exited;
      }),
    );
  }

  #start(slot: Slot<In, Out>): void {
    let child: ChildProcess;
    try {
      child = this.#fork();
    } catch (error) {
      this.#failed(slot, startFailure((error as Error).message));
      return;
    }
    slot.child = child;
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-MAX_STDERR_CHARS);
    });
    const startTimer = setTimeout(() => child.kill('SIGKILL'), this.#options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS);
    child.on('message', (message) => {
      // What a dead process had still sent may come after its end, when another serves in its place.
      if (slot.child !== child) return;
      const said = message as Out & { readonly stream?: number };
      if (said.type === 'ready') {
        clearTimeout(startTimer);
        this.#ready(slot, child);
      } else if (said.stream !== undefined) {
        slot.process?.streams.get(said.stream)?.message(said);
      }
    });
    child.on('error', (error) => {
      // What was never there does not exit.
      if (child.pid !== undefined) child.kill('SIGKILL');
      else if (slot.child === child) {
        clearTimeout(startTimer);
        slot.child = undefined;
        this.#failed(slot, startFailure(error.message));
      }
    });
    child.once('exit', (code, signal) => {
      clearTimeout(startTimer);
      this.#exited(slot, child, { code, signal, stderr });
    });
  }

  #fork(): ChildProcess {
    const { command } = this.#options;
    return fork(command.modulePath, [...command.args], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ...command.env },
      execArgv: [],
    });
  }

  #ready(slot: Slot<In, Out>, child: ChildProcess): void {
    const pid = child.pid ?? 0;
    const niceness = this.#options.command.niceness ?? 0;
    if (niceness > 0) lowerPriority(pid, niceness);
    const streams = new Map<number, EngineEar<Out>>();
    slot.steadyTimer = setTimeout(() => {
      slot.failures = 0;
    }, STEADY_MS);
    slot.process = {
      pid,
      streams,
      send: (message) => {
        if (child.connected) child.send(message as object, () => undefined);
      },
      attach: (stream, ear) => streams.set(stream, ear),
      detach: (stream) => streams.delete(stream),
    };
    for (const wake of this.#waiting.splice(0)) wake(slot.process);
  }

  #exited(
    slot: Slot<In, Out>,
    child: ChildProcess,
    exit: { readonly code: number | null; readonly signal: string | null; readonly stderr: string },
  ): void {
    const lost = slot.process;
    slot.process = undefined;
    slot.child = undefined;
    clearTimeout(slot.steadyTimer);
    if (!lost) {
      this.#failed(slot, startFailure(lastWords(exit)));
      return;
    }
    if (this.#closed) return;
    this.#restarts += 1;
    this.#lastReason = 'the engine is restarting';
    this.#options.onExit({ pid: child.pid ?? 0, code: exit.code, signal: exit.signal });
    this.#startLater(slot, slot.failures === 0 ? 0 : retryMs(slot.failures));
    slot.failures += 1;
    for (const ear of [...lost.streams.values()]) ear.lost();
  }

  #failed(slot: Slot<In, Out>, reason: string): void {
    if (this.#closed) return;
    slot.failures += 1;
    this.#lastReason = reason;
    this.#startLater(slot, retryMs(slot.failures));
    // The pool's maker does not have it yet when its first process fails as it is forked.
    queueMicrotask(() => {
      if (this.#closed) return;
      this.#options.onStartFailed(reason);
      for (const watch of this.#startWatchers.splice(0)) watch(reason);
    });
  }

  #startLater(slot: Slot<In, Out>, delayMs: number): void {
    slot.retryTimer = setTimeout(() => {
      this.#start(slot);
    }, delayMs);
  }
}

const retryMs = (failures: number): number => Math.min(MAX_RETRY_MS, 500 * 2 ** failures);

const startFailure = (why: string): string => `the engine did not start: ${why}`;

function lastWords({ code, signal, stderr }: { readonly code: number | null; readonly signal: string | null; readonly stderr: string }): string {
  return /^\w*Error: (.*)$/m.exec(stderr)?.[1] ?? `exit ${String(code ?? signal)}`;
}
