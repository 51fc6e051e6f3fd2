import type { Clock } from '../../core/clock.ts';
import { EarshotError, toEarshotError } from '../../core/errors.ts';
import type {
  RecognitionContext,
  Recognizer,
  RecognizerCapabilities,
  RecognizerLease,
  RecognizerPriority,
  RecognizerSink,
  RecognizerStream,
} from '../../core/recognizer.ts';
import { FailoverStream } from './failover-stream.ts';

/** One of the recognizers that may serve a session. */
export interface FailoverTarget {
  readonly recognizer: Recognizer;
  /** May it be tried now? Asked again whenever one is looked for. */
  readonly isUp: () => boolean;
  /** May it be used at all? Asked again with `isUp`, and by `recheck`. Default: yes. */
  readonly isAllowed?: () => boolean;
  readonly context?: RecognitionContext;
  /** Told of what happens in use. */
  readonly health?: TargetHealth;
}

/** What is seen of a recognizer in use. */
export interface TargetHealth {
  /** A session begins to use it. What is returned is called once, when it does so no more. */
  used(): () => void;
  /** It gave a sign of life. */
  alive(): void;
  /** A segment got its words, so long after it ended. */
  settled(latencyMs: number): void;
  /** It failed a session that it had taken, or `isSilent`: it told nothing for too long. */
  failed(error: EarshotError, isSilent: boolean): void;
}

export interface FailoverOptions<Target extends FailoverTarget> {
  /** In the order in which they are tried. */
  readonly targets: readonly Target[];
  readonly clock: Clock;
  /** Longest time without a sign of life while words are awaited, in ms. Default: 6000 for live sessions, 60000 for batch. */
  readonly stallMs?: number;
}

interface Present<Target> {
  readonly target: Target;
  readonly lease: RecognizerLease;
  readonly unused: () => void;
}

const STALL_MS: Readonly<Record<RecognizerPriority, number>> = { live: 6000, batch: 60_000 };
const RETRY_AFTER_SECONDS = 5;
/** Refusals after which the next target is asked. */
const PASSING: ReadonlySet<string> = new Set(['CAPACITY_EXCEEDED', 'BACKEND_UNAVAILABLE', 'BACKEND_RATE_LIMITED', 'MODEL_UNAVAILABLE']);

/**
 * One session's place at the first recognizer that takes it. When that one fails or falls silent, all lanes go on at another:
 * each is given again what was not settled, so that no word is lost and none comes twice. A recognizer that a stream has seen
 * fail is not asked again for the same segment; when nobody is left, the stream fails with what the last one said.
 */
export class FailoverLease<Target extends FailoverTarget> implements RecognizerLease {
  readonly #options: FailoverOptions<Target>;
  readonly #priority: RecognizerPriority;
  /** Per stream, who failed on its present segment. */
  readonly #streams = new Map<FailoverStream, Set<Target>>();
  readonly #left: Promise<void>[] = [];
  #present: Present<Target>;
  #onChange: ((target: Target) => void) | undefined;
  #released: Promise<void> | undefined;

  /** Throws what the first target refuses with, and the shortest `retryAfterSeconds` of all, if none takes the session. */
  constructor(options: FailoverOptions<Target>, priority: RecognizerPriority) {
    this.#options = options;
    this.#priority = priority;
    const refusals: EarshotError[] = [];
    const present = this.#admit(options.targets, refusals);
    if (!present) throw refusalOf(refusals);
    this.#present = present;
  }

  /** Who serves the session now. */
  get target(): Target {
    return this.#present.target;
  }

  get capabilities(): RecognizerCapabilities {
    return this.#present.lease.capabilities ?? this.target.recognizer.capabilities;
  }

  /** `listener` is told of each recognizer that takes over, before anything that it says. */
  onChange(listener: (target: Target) => void): void {
    this.#onChange = listener;
  }

  openStream(sink: RecognizerSink): RecognizerStream {
    const failed = new Set<Target>();
    const stream = new FailoverStream(
      {
        sink,
        clock: this.#options.clock,
        stallMs: this.#options.stallMs ?? STALL_MS[this.#priority],
        onAlive: () => this.target.health?.alive(),
        onSettled: (latencyMs) => {
          failed.clear();
          this.target.health?.settled(latencyMs);
        },
        onLost: (error, isSilent) => this.#leave(error, isSilent, failed),
      },
      this.#present.lease,
    );
    this.#streams.set(stream, failed);
    return stream;
  }

  /** What is allowed has changed: goes on at another recognizer if the present one is not among it. False where there is none that can take the session. */
  recheck(): boolean {
    const { target } = this.#present;
    if (this.#released || isAllowed(target)) return true;
    const next = this.#admitNext(this.#options.targets.filter((other) => other !== target));
    if (next) this.#goOn(next);
    return next !== undefined;
  }

  release(): Promise<void> {
    this.#released ??= this.#releaseAll();
    return this.#released;
  }

  async #releaseAll(): Promise<void> {
    const { lease, unused } = this.#present;
    await Promise.all([...this.#streams.keys()].map((stream) => stream.close()));
    unused();
    await Promise.all([lease.release(), ...this.#left]);
  }

  /** The present recognizer failed a stream. All streams go on at another one, if there is one. */
  #leave(error: EarshotError, isSilent: boolean, failed: Set<Target>): boolean {
    if (this.#released) return false;
    const { target } = this.#present;
    target.health?.failed(error, isSilent);
    failed.add(target);
    // Who is only silent may be asked again after all others were.
    if (isSilent && failed.size === this.#options.targets.length) failed.clear();
    const next = this.#admitNext(this.#options.targets.filter((other) => other !== target && !failed.has(other)));
    if (next) this.#goOn(next);
    return next !== undefined;
  }

  #goOn(next: Present<Target>): void {
    const { lease, unused } = this.#present;
    unused();
    this.#present = next;
    this.#onChange?.(next.target);
    for (const stream of this.#streams.keys()) attach(stream, next.lease);
    // It is lost anyway, and may take its time.
    this.#left.push(lease.release().catch(() => undefined));
  }

  #admitNext(targets: readonly Target[]): Present<Target> | undefined {
    try {
      return this.#admit(targets, []);
    } catch {
      return undefined;
    }
  }

  #admit(targets: readonly Target[], refusals: EarshotError[]): Present<Target> | undefined {
    for (const target of targets) {
      if (!isAllowed(target) || !target.isUp()) continue;
      try {
        const lease = target.recognizer.admit(this.#priority, target.context);
        return { target, lease, unused: target.health?.used() ?? (() => undefined) };
      } catch (error) {
        if (!(error instanceof EarshotError) || !PASSING.has(error.code)) throw error;
        refusals.push(error);
      }
    }
    return undefined;
  }
}

const isAllowed = (target: FailoverTarget): boolean => target.isAllowed?.() ?? true;

function attach(stream: FailoverStream, lease: RecognizerLease): void {
  try {
    stream.attach(lease);
  } catch (error) {
    stream.fail(toEarshotError(error));
  }
}

/** What the first choice said, with the shortest wait that any of them asks for. */
function refusalOf(refusals: readonly EarshotError[]): EarshotError {
  const [first] = refusals;
  const retryAfterSeconds = Math.min(...refusals.map((error) => error.retryAfterSeconds ?? RETRY_AFTER_SECONDS), 60);
  return new EarshotError(first?.code ?? 'BACKEND_UNAVAILABLE', first?.message ?? 'No recognizer is up.', { retryAfterSeconds, cause: first });
}
