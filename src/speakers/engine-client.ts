import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Clock, systemClock } from '../core/clock.ts';
import { EarshotError } from '../core/errors.ts';
import { lowerPriority } from '../processes/priority.ts';
import { gaussianVoice } from './embedded/gaussian-voice.ts';
import type { FromEngine, ToEngine } from './engine-messages.ts';
import { sherpaVoice } from './sherpa-voice.ts';
import type { SpeakerEngine } from './speaker-engine.ts';
import type { HeardVoice, VoiceMeasure, Voiceprint } from './voice.ts';

export interface SpeakerEngineOptions {
  /** Folder with `embedding.onnx` and, if there is one, `segmentation.onnx`. Default: the embedded engine, which needs no files. */
  readonly modelFolder?: string;
  /** Module of the process. Default: the engine. Tests put another in its place. */
  readonly modulePath?: string;
  /** Time for one answer, the start of the process included. Default 60 s. */
  readonly timeoutMs?: number;
  /** The process ends after this time without a question. Default 60 s. */
  readonly idleMs?: number;
  readonly clock?: Clock;
  /** Told when a process ended that should have gone on. */
  readonly onExit?: (exit: { readonly code: number | null; readonly signal: string | null }) => void;
}

/** Questions that may wait; more are refused. */
const MAX_WAITING = 64;
/** Captions come first. */
const NICENESS = 5;

type Question = ToEngine extends infer Each ? (Each extends ToEngine ? Omit<Each, 'id'> : never) : never;

interface Waiting {
  readonly question: Question;
  readonly answered: PromiseWithResolvers<FromEngine>;
  readonly cancelTimer: () => void;
  attempts: number;
}

/** A speaker engine in a child process, so that native code that aborts and long clusterings hold up nobody. */
export function createSpeakerEngine(options: SpeakerEngineOptions = {}): SpeakerEngine & { readonly pid: number | undefined } {
  return new EngineClient(options);
}

class EngineClient implements SpeakerEngine {
  readonly measure: VoiceMeasure;
  readonly #options: SpeakerEngineOptions;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  #child: ChildProcess | undefined;
  #isReady = false;
  #nextId = 0;
  #cancelIdle: () => void = () => undefined;
  #closed = false;

  constructor(options: SpeakerEngineOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.measure = options.modelFolder === undefined ? gaussianVoice : sherpaVoice(options.modelFolder);
  }

  /** Of the running process; undefined where none runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async listen(samples: Int16Array): Promise<readonly HeardVoice[]> {
    const answer = await this.#ask({ ask: 'listen', samples });
    return 'heard' in answer ? answer.heard.map((voice) => ({ ...voice, print: Float64Array.from(voice.print) })) : [];
  }

  async group(prints: readonly Voiceprint[]): Promise<readonly number[]> {
    if (prints.length === 0) return [];
    const answer = await this.#ask({ ask: 'group', prints });
    return 'groups' in answer ? answer.groups : [];
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelIdle();
    this.#rejectAll(new EarshotError('SERVER_STOPPING', 'The server is shutting down.'));
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  }

  async #ask(question: Question): Promise<FromEngine> {
    if (this.#closed) throw new EarshotError('SERVER_STOPPING', 'The server is shutting down.');
    if (this.#waiting.size >= MAX_WAITING) throw new EarshotError('CAPACITY_EXCEEDED', 'Too many voices wait to be told apart.', { retryAfterSeconds: 5 });
    const id = (this.#nextId += 1);
    const answered = Promise.withResolvers<FromEngine>();
    const cancelTimer = this.#clock.setTimer(this.#options.timeoutMs ?? 60_000, () => {
      this.#settle(id)?.answered.reject(new EarshotError('BACKEND_TIMEOUT', 'The speaker engine did not answer in time.'));
      // It may hang: the next question finds a new one.
      this.#child?.kill('SIGKILL');
    });
    this.#waiting.set(id, { question, answered, cancelTimer, attempts: 0 });
    this.#cancelIdle();
    if (this.#child) this.#send(id);
    else this.#start();
    const answer = await answered.promise;
    if ('fault' in answer) throw new EarshotError('BACKEND_ERROR', 'The speaker engine failed on this audio.', { cause: new Error(answer.fault) });
    return answer;
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.cancelTimer();
    if (this.#waiting.size === 0 && !this.#closed) {
      this.#cancelIdle = this.#clock.setTimer(this.#options.idleMs ?? 60_000, () => this.#child?.kill('SIGTERM'));
    }
    return waiting;
  }

  #rejectAll(error: EarshotError): void {
    for (const id of this.#waiting.keys()) this.#settle(id)?.answered.reject(error);
    this.#cancelIdle();
  }

  #send(id: number): void {
    const waiting = this.#waiting.get(id);
    if (!waiting || !this.#isReady) return;
    waiting.attempts += 1;
    this.#child?.send({ ...waiting.question, id }, () => undefined);
  }

  #start(): void {
    const modulePath = this.#options.modulePath ?? fileURLToPath(new URL('engine-process.ts', import.meta.url));
    const child = fork(modulePath, this.#options.modelFolder === undefined ? [] : [this.#options.modelFolder], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [],
    });
    this.#child = child;
    this.#isReady = false;
    child.on('message', (message) => {
      if (this.#child === child) this.#hear(message as FromEngine | 'ready');
    });
    child.on('error', () => child.kill('SIGKILL'));
    child.once('exit', (code, signal) => {
      if (this.#child === child) this.#exited(code, signal);
    });
  }

  #hear(message: FromEngine | 'ready'): void {
    if (message !== 'ready') {
      this.#settle(message.id)?.answered.resolve(message);
      return;
    }
    this.#isReady = true;
    if (this.#child?.pid !== undefined) lowerPriority(this.#child.pid, NICENESS);
    for (const id of [...this.#waiting.keys()]) this.#send(id);
  }

  /** What the process owed is asked again of a new one, once: nothing was remembered, so nothing is lost. */
  #exited(code: number | null, signal: string | null): void {
    const wasReady = this.#isReady;
    this.#child = undefined;
    this.#isReady = false;
    if (this.#closed || this.#waiting.size === 0) return;
    this.#options.onExit?.({ code, signal });
    if (!wasReady) {
      this.#rejectAll(new EarshotError('BACKEND_UNAVAILABLE', 'The speaker engine does not start.'));
      return;
    }
    for (const [id, { attempts }] of [...this.#waiting]) {
      if (attempts >= 2) this.#settle(id)?.answered.reject(new EarshotError('BACKEND_ERROR', 'The speaker engine failed twice on this audio.'));
    }
    if (this.#waiting.size > 0) this.#start();
  }
}
