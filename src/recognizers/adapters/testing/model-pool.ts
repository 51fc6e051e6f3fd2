import type { Word } from '../../../core/transcript.ts';
import type * as lanes from '../engine-messages.ts';
import type { EngineEar, EngineProcess } from '../engine-pool.ts';

/** What the model learns of a lane: how many segments it had. */
interface LaneState {
  readonly segments: number;
}

type ToEngine = lanes.ToEngine<LaneState>;
type FromEngine = lanes.FromEngine<LaneState>;

/**
 * An engine that says, instead of words, how many samples it was given of each segment and what their sum is: whatever is
 * missing, doubled or moved on the way changes that. It works off what it was sent when the test says so.
 */
export class ModelEngine implements EngineProcess<ToEngine, FromEngine> {
  readonly pid = 1;
  readonly received: ToEngine[] = [];
  #ear: EngineEar<FromEngine> | undefined;
  #done = 0;
  #open: { readonly id: number; readonly startSample: number } | undefined;
  /** What was written, by position. */
  readonly #heard: { readonly startSample: number; readonly samples: Int16Array }[] = [];
  #segments = 0;

  attach(_stream: number, ear: EngineEar<FromEngine>): void {
    this.#ear = ear;
  }

  detach(): void {
    this.#ear = undefined;
  }

  send(message: ToEngine): void {
    this.received.push(message);
  }

  /** Samples that the stream gave to this engine. */
  get receivedSamples(): number {
    return this.received.reduce((sum, message) => sum + (message.type === 'audio' ? message.samples.length : 0), 0);
  }

  say(message: FromEngine): void {
    this.#ear?.message(message);
  }

  /** Works off the next messages, all of them unless told how many. */
  work(count = Infinity): void {
    for (const end = this.#done + count; this.#done < Math.min(end, this.received.length); this.#done += 1) this.#do(this.received[this.#done]!);
  }

  die(): void {
    const ear = this.#ear;
    this.#ear = undefined;
    ear?.lost();
  }

  #do(message: ToEngine): void {
    switch (message.type) {
      case 'open':
        this.#segments = message.state?.segments ?? 0;
        this.say({ type: 'opened', stream: message.stream });
        return;
      case 'audio':
        this.#heard.push(message);
        this.say({ type: 'consumed', stream: message.stream, samples: message.samples.length });
        return;
      case 'begin':
        this.#open = { id: message.segment, startSample: message.startSample };
        return;
      case 'end':
        this.#settle(message);
        return;
      case 'pause':
      case 'resume':
      case 'close':
      case 'hold':
      case 'release':
        return;
    }
  }

  #settle({ stream, segment, endSample }: Extract<ToEngine, { type: 'end' }>): void {
    if (this.#open?.id !== segment) throw new Error(`segment ${String(segment)} ends and never began`);
    const { startSample } = this.#open;
    this.#open = undefined;
    let count = 0;
    let sum = 0;
    for (const heard of this.#heard) {
      for (const [index, sample] of heard.samples.entries()) {
        const at = heard.startSample + index;
        if (at < startSample || at >= endSample) continue;
        count += 1;
        sum += sample * ((at % 97) + 1);
      }
    }
    this.#segments += 1;
    const words: Word[] = [{ text: `#${String(segment)} ${String(count)} ${String(sum)}`, startSample, endSample }];
    this.say({ type: 'settled', stream, segment, words, state: { segments: this.#segments } });
  }
}

/** Gives out engines: a new one each time, when the test lets it. */
export class ModelPool {
  readonly engines: ModelEngine[] = [];
  #waiting: ((engine: ModelEngine | undefined) => void)[] = [];
  #state: 'giving' | 'holding' | 'closed' = 'giving';

  pick(): Promise<ModelEngine | undefined> {
    if (this.#state === 'closed') return Promise.resolve(undefined);
    if (this.#state === 'holding') return new Promise((resolve) => this.#waiting.push(resolve));
    return Promise.resolve(this.#make());
  }

  /** Nobody gets an engine until `give`. */
  hold(): void {
    this.#state = 'holding';
  }

  give(): void {
    this.#state = 'giving';
    for (const wake of this.#waiting.splice(0)) wake(this.#make());
  }

  close(): void {
    this.#state = 'closed';
    for (const wake of this.#waiting.splice(0)) wake(undefined);
  }

  /** The last one given out. */
  get engine(): ModelEngine {
    return this.engines.at(-1)!;
  }

  #make(): ModelEngine {
    const engine = new ModelEngine();
    this.engines.push(engine);
    return engine;
  }
}
