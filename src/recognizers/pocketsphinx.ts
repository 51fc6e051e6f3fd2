import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { SAMPLE_RATE_HZ } from '../core/audio.ts';
import { EarshotError } from '../core/errors.ts';
import type {
  Recognizer,
  RecognizerCapabilities,
  RecognizerLease,
  RecognizerPriority,
  RecognizerSink,
  RecognizerSnapshot,
  RecognizerStream,
} from '../core/recognizer.ts';
import { BATCH_NICENESS } from '../processes/priority.ts';
import { BatchHold } from './adapters/batch-hold.ts';
import { EnginePool, type EnginePoolOptions } from './adapters/engine-pool.ts';
import { type Engines, ReplayingStream } from './adapters/replaying-stream.ts';
import type { FromEngine, LaneState, ToEngine } from './pocketsphinx/messages.ts';
import { MAX_LIVE_PER_PROCESS, SearchCost } from './pocketsphinx/search-cost.ts';

export interface PocketSphinxOptions {
  /** Folder with `en-us/`, `en-us.lm.bin` and `cmudict-en-us.dict`. */
  readonly modelFolder: string;
  /** Engine processes for live sessions. Default: one per core. */
  readonly processes?: number;
  /** Live sessions at a time. Default: what the processes hold in real time with everybody talking, by what search has cost lately. */
  readonly maxLiveSessions?: number;
  /** Batch sessions at a time. Default: 2 per core. */
  readonly maxBatchSessions?: number;
  /** Shared by the engines of this machine. Default: its own. */
  readonly hold?: BatchHold;
  readonly onEngineExit: EnginePoolOptions['onExit'];
  readonly onEngineStartFailed: EnginePoolOptions['onStartFailed'];
}

const BATCH_SESSIONS_PER_CORE = 2;
/** A full house has no end in sight; a client that waits this long will often find a place. */
const RETRY_AFTER_SECONDS = 5;

const CAPABILITIES: RecognizerCapabilities = {
  interims: true,
  wordTimes: true,
  wordConfidence: true,
  languages: ['en'],
  // The second pass at a segment's end grows faster than its length.
  maxSegmentSamples: 20 * SAMPLE_RATE_HZ,
  // As long as the usual endpoint: the language model then sees an utterance whole, and a pause for breath costs no second search.
  segmentPauseMs: 700,
};

/**
 * PocketSphinx 5prealpha with its US English model: recognition from Debian packages alone.
 * It runs in child processes, because its native code may call `exit` or crash; batch work has processes of its own at
 * a low scheduling priority, so that it takes only what live captions leave, and stands still while one of those waits ({@link BatchHold}).
 */
export class PocketSphinx implements Recognizer {
  readonly id = 'pocketsphinx';
  readonly capabilities = CAPABILITIES;
  readonly #pools: Record<RecognizerPriority, EnginePool<ToEngine, FromEngine>>;
  readonly #max: Record<RecognizerPriority, () => number>;
  readonly #cost = new SearchCost();
  readonly #active: Record<RecognizerPriority, number> = { live: 0, batch: 0 };
  readonly #hold: BatchHold;
  #streams = 0;

  constructor(options: PocketSphinxOptions) {
    const cores = availableParallelism();
    const processes = options.processes ?? cores;
    this.#max = {
      live: () => options.maxLiveSessions ?? Math.floor(processes * this.#cost.streamsPerProcess),
      batch: () => options.maxBatchSessions ?? cores * BATCH_SESSIONS_PER_CORE,
    };
    const pool = (priority: RecognizerPriority, niceness: number): EnginePool<ToEngine, FromEngine> => {
      const most = priority === 'live' ? (options.maxLiveSessions ?? processes * MAX_LIVE_PER_PROCESS) : this.#max.batch();
      const decoders = Math.max(2, Math.ceil(most / processes) + 1);
      return new EnginePool({
        command: {
          modulePath: fileURLToPath(new URL('./pocketsphinx/engine-process.ts', import.meta.url)),
          args: [options.modelFolder, String(decoders), priority],
          // One search at a time: decoders that take turns within a core drive each other's model out of its cache (+40 % CPU).
          env: { UV_THREADPOOL_SIZE: '1' },
          niceness,
        },
        processes,
        onExit: options.onEngineExit,
        onStartFailed: options.onEngineStartFailed,
      });
    };
    this.#pools = { live: pool('live', 0), batch: pool('batch', BATCH_NICENESS) };
    this.#hold = options.hold ?? new BatchHold();
    this.#hold.join(this.#pools.batch);
  }

  /** Pids of all engine processes, for the operator and for tests of what happens when one dies. */
  get pids(): number[] {
    return [...this.#pools.live.pids, ...this.#pools.batch.pids];
  }

  /** Resolves once sessions of this priority can be admitted; rejects with `BACKEND_UNAVAILABLE` if the engine does not start. */
  async ready(priority: RecognizerPriority): Promise<void> {
    await this.#pools[priority].ready().catch((cause: unknown) => {
      throw new EarshotError('BACKEND_UNAVAILABLE', `No recognizer is ready: ${(cause as Error).message}.`, { cause });
    });
  }

  snapshot(): RecognizerSnapshot {
    const { live, batch } = this.#pools;
    const full = this.#active.live >= this.#max.live();
    const waiting = [live, batch].find((pool) => pool.readyProcesses === 0);
    const ready = !full && !waiting;
    return {
      ready,
      ...(!ready && { reason: waiting?.reason ?? 'every recognizer is taken' }),
      activeSessions: this.#active.live + this.#active.batch,
      maxSessions: this.#max.live() + this.#max.batch(),
      restarts: live.restarts + batch.restarts,
    };
  }

  admit(priority: RecognizerPriority): RecognizerLease {
    const pool = this.#pools[priority];
    // Processes that died in service are replaced in a moment; a session may wait for that, and for nothing else.
    if (pool.readyProcesses === 0 && (pool.restarts === 0 || pool.isDown)) {
      throw new EarshotError('BACKEND_UNAVAILABLE', `No recognizer is ready: ${pool.reason}.`, { retryAfterSeconds: 2 });
    }
    if (this.#active[priority] >= this.#max[priority]()) {
      throw new EarshotError('CAPACITY_EXCEEDED', 'Every recognizer is taken.', { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    this.#active[priority] += 1;
    return this.#lease(priority, pool);
  }

  async close(): Promise<void> {
    await Promise.all([this.#pools.live.close(), this.#pools.batch.close()]);
  }

  #lease(priority: RecognizerPriority, pool: EnginePool<ToEngine, FromEngine>): RecognizerLease {
    const streams = new Set<RecognizerStream>();
    const engines: Engines<LaneState> = {
      pick: () => pool.pick(),
      // Batch work gives way to live sessions: what it takes by the clock says nothing of them.
      ...(priority === 'live' && {
        searched: ({ searchMs, speechMs }) => {
          this.#cost.add(searchMs, speechMs);
        },
        waiting: (change) => {
          this.#hold.laneWaits(change);
        },
      }),
    };
    let released = false;
    return {
      openStream: (sink: RecognizerSink): RecognizerStream => {
        const stream = new ReplayingStream(this.#streams, engines, sink);
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
}
