import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { SAMPLE_RATE_HZ } from '../core/audio.ts';
import { EarshotError } from '../core/errors.ts';
import type {
  RecognitionContext,
  Recognizer,
  RecognizerCapabilities,
  RecognizerLease,
  RecognizerPriority,
  RecognizerSink,
  RecognizerSnapshot,
  RecognizerStream,
} from '../core/recognizer.ts';
import type { FromEngine, ToEngine } from './adapters/engine-messages.ts';
import { BATCH_NICENESS } from '../processes/priority.ts';
import { BatchHold } from './adapters/batch-hold.ts';
import { EnginePool, type EnginePoolOptions, type EngineProcess } from './adapters/engine-pool.ts';
import { type Engines, ReplayingStream } from './adapters/replaying-stream.ts';
import { takesLanguage } from './sherpa-onnx/engine-config.ts';
import type { EngineTask } from './sherpa-onnx/engine-task.ts';
import { FAMILIES } from './sherpa-onnx/families.ts';
import type { ModelDescription } from './sherpa-onnx/model-folder.ts';

export interface SherpaOnnxOptions {
  readonly model: ModelDescription;
  /** Absolute path of the model's folder. */
  readonly folder: string;
  /** A model that adds punctuation to finals. */
  readonly punctuation?: EngineTask['punctuation'];
  /** Processes for live sessions, each with the model in its memory. Default 1: a process decodes all its lanes as one batch. */
  readonly processes?: number;
  /** Live sessions at a time. Default: 5 per core. */
  readonly maxLiveSessions?: number;
  /** Batch sessions at a time. Default: 2 per core. */
  readonly maxBatchSessions?: number;
  /** Shared by the engines of this machine. Default: its own. */
  readonly hold?: BatchHold;
  readonly onEngineExit: EnginePoolOptions['onExit'];
  readonly onEngineStartFailed: EnginePoolOptions['onStartFailed'];
}

type Pool = EnginePool<ToEngine<undefined>, FromEngine<undefined>>;
type Process = EngineProcess<ToEngine<undefined>, FromEngine<undefined>>;

const LIVE_SESSIONS_PER_CORE = 5;
const BATCH_SESSIONS_PER_CORE = 2;
const MAX_THREADS = 4;
/** Large models are read from the disk for a while. */
const START_TIMEOUT_MS = 120_000;
const RETRY_AFTER_SECONDS = 5;

/**
 * One installed model in sherpa-onnx. It is loaded when it is first needed, in a child process, because a file that is corrupt or of
 * another kind ends the process that loads it; batch work has a process of its own at a low scheduling priority,
 * which begins nothing while a live lane waits ({@link BatchHold}).
 */
export class SherpaOnnx implements Recognizer {
  readonly id: string;
  readonly capabilities: RecognizerCapabilities;
  readonly #options: SherpaOnnxOptions;
  readonly #pools: Partial<Record<RecognizerPriority, Pool>> = {};
  readonly #max: Record<RecognizerPriority, number>;
  readonly #active: Record<RecognizerPriority, number> = { live: 0, batch: 0 };
  readonly #hold: BatchHold;
  #leaveHold = (): void => undefined;
  #streams = 0;
  /** Why the model cannot be loaded, as long as it cannot. */
  #failure: EarshotError | undefined;
  #failed = Promise.withResolvers<never>();
  #isClosed = false;

  constructor(options: SherpaOnnxOptions) {
    this.#options = options;
    this.#hold = options.hold ?? new BatchHold();
    this.id = `sherpa-onnx/${options.model.name}`;
    this.capabilities = capabilitiesOf(options.model);
    const cores = availableParallelism();
    this.#max = {
      live: options.maxLiveSessions ?? cores * LIVE_SESSIONS_PER_CORE,
      batch: options.maxBatchSessions ?? cores * BATCH_SESSIONS_PER_CORE,
    };
    this.#failed.promise.catch(() => undefined);
  }

  /** Pids of its processes, for the operator and for tests of what happens when one dies. */
  get pids(): number[] {
    return Object.values(this.#pools).flatMap((pool) => pool.pids);
  }

  /** Loads the model, if it is not. Resolves once it has decoded something; rejects with `MODEL_UNAVAILABLE` if it cannot be loaded. */
  async ready(priority: RecognizerPriority): Promise<void> {
    await this.#pick(priority);
  }

  snapshot(): RecognizerSnapshot {
    const isFull = this.#active.live >= this.#max.live;
    const reason = this.#failure?.message ?? (isFull ? 'every place is taken' : undefined);
    return {
      ready: reason === undefined,
      ...(reason !== undefined && { reason }),
      activeSessions: this.#active.live + this.#active.batch,
      maxSessions: this.#max.live + this.#max.batch,
      restarts: Object.values(this.#pools).reduce((sum, pool) => sum + pool.restarts, 0),
    };
  }

  /** Throws `MODEL_UNAVAILABLE` where the last attempt to load the model failed; it is tried again and again. */
  admit(priority: RecognizerPriority, context?: RecognitionContext): RecognizerLease {
    if (this.#failure) throw this.#failure;
    if (this.#active[priority] >= this.#max[priority]) {
      throw new EarshotError('CAPACITY_EXCEEDED', 'Every recognizer is taken.', { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    this.#active[priority] += 1;
    this.#pool(priority);
    return this.#lease(priority, context?.language);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#leaveHold();
    await Promise.all(Object.values(this.#pools).map((pool) => pool.close()));
  }

  #lease(priority: RecognizerPriority, language: string | undefined): RecognizerLease {
    const streams = new Set<RecognizerStream>();
    const engines: Engines<undefined> = {
      pick: () => this.#pick(priority),
      ...(priority === 'live' && {
        waiting: (change) => {
          this.#hold.laneWaits(change);
        },
      }),
    };
    let released = false;
    return {
      openStream: (sink: RecognizerSink): RecognizerStream => {
        const expected = takesLanguage(this.#options.model) ? language : undefined;
        const stream = new ReplayingStream<undefined>(this.#streams, engines, sink, expected);
        this.#streams += 1;
        streams.add(stream);
        return stream;
      },
      release: async () => {
        if (released) return;
        released = true;
        this.#active[priority] -= 1;
        await Promise.all([...streams].map((stream) => stream.close()));
      },
    };
  }

  /** A process with the model; rejects as soon as one did not start, since the next will most likely not either. */
  async #pick(priority: RecognizerPriority): Promise<Process | undefined> {
    if (this.#failure) throw this.#failure;
    return Promise.race([this.#pool(priority).pick(), this.#failed.promise]);
  }

  #pool(priority: RecognizerPriority): Pool {
    const { model, folder, punctuation, processes = 1 } = this.#options;
    const present = this.#pools[priority];
    if (present) return present;
    if (this.#isClosed) throw new EarshotError('SERVER_STOPPING', 'The server is shutting down.');
    const cores = availableParallelism();
    const count = priority === 'live' ? processes : 1;
    const task: EngineTask = { model, folder, threads: model.manifest.numThreads ?? Math.min(MAX_THREADS, Math.max(1, Math.floor(cores / count))), ...(punctuation && { punctuation }) };
    const pool: Pool = new EnginePool({
      command: {
        modulePath: fileURLToPath(new URL('./sherpa-onnx/engine-process.ts', import.meta.url)),
        args: [JSON.stringify(task)],
        niceness: priority === 'batch' ? BATCH_NICENESS : 0,
      },
      processes: count,
      startTimeoutMs: START_TIMEOUT_MS,
      onExit: this.#options.onEngineExit,
      onStartFailed: (reason) => {
        this.#fail(pool, reason);
      },
    });
    this.#pools[priority] = pool;
    if (priority === 'batch') this.#leaveHold = this.#hold.join(pool);
    return pool;
  }

  #fail(pool: Pool, reason: string): void {
    if (!this.#failure) void this.#recover(pool);
    this.#failure = new EarshotError('MODEL_UNAVAILABLE', `The model "${this.#options.model.name}" cannot be loaded: ${reason}.`, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    this.#options.onEngineStartFailed(reason);
    this.#failed.reject(this.#failure);
    this.#failed = Promise.withResolvers();
    this.#failed.promise.catch(() => undefined);
  }

  /** A process started after all, as when the file was replaced. */
  async #recover(pool: Pool): Promise<void> {
    if (await pool.pick()) this.#failure = undefined;
  }
}

function capabilitiesOf(model: ModelDescription): RecognizerCapabilities {
  const traits = FAMILIES[model.family];
  return {
    interims: true,
    wordTimes: traits.tokenTimes,
    wordConfidence: traits.tokenProbabilities,
    languages: model.languages,
    maxSegmentSamples: Math.round((model.manifest.maxSegmentSeconds ?? traits.maxSegmentSeconds) * SAMPLE_RATE_HZ),
    ...(traits.mode === 'segments' && { segmentPauseMs: SEGMENT_PAUSE_MS }),
  };
}

/** A model that takes whole stretches gets more out of long ones. */
const SEGMENT_PAUSE_MS = 500;
