import { Worker } from 'node:worker_threads';
import { EarshotError } from '../../../src/core/errors.ts';
import type { ThreadCommand, ThreadData, ThreadEngineOptions, ThreadEvent } from './messages.ts';

export interface MediaThreadHandlers {
  event(event: ThreadEvent): void;
  /** The thread is no more, for whatever reason. Last, once. */
  ended(cause: unknown): void;
}

type Question = Extract<ThreadCommand, { readonly question: number }>;
/** A question without its number, kept apart for each kind. */
type Unnumbered = Question extends infer Each ? (Each extends Question ? Omit<Each, 'question'> : never) : never;

interface Waiting {
  readonly resolve: (text: string) => void;
  readonly reject: (error: EarshotError) => void;
}

/** What a packet leaves behind is garbage at once: V8 would let it grow to 48 MB before it looks. */
const YOUNG_MEGABYTES = 12;

/** The main thread's end of one media thread: commands, questions with answers, and its death. */
export class MediaThreadLink {
  readonly #worker: Worker;
  readonly #handlers: MediaThreadHandlers;
  readonly #taken = new Int32Array(new SharedArrayBuffer(4));
  readonly #waiting = new Map<number, Waiting>();
  #lastQuestion = 0;
  #failure: unknown;
  #hasEnded = false;

  constructor(options: ThreadEngineOptions, handlers: MediaThreadHandlers) {
    this.#handlers = handlers;
    const data: ThreadData = { options, taken: this.#taken };
    this.#worker = new Worker(new URL('./media-thread.ts', import.meta.url), { workerData: data, execArgv: [], resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEGABYTES } });
    this.#worker.on('message', (event: ThreadEvent) => this.#receive(event));
    this.#worker.once('error', (cause) => (this.#failure = cause));
    this.#worker.once('exit', () => this.#end());
  }

  tell(command: Exclude<ThreadCommand, Question>): void {
    if (!this.#hasEnded) this.#worker.postMessage(command);
  }

  /** Rejects with the thread's own error, or `BACKEND_UNAVAILABLE` if the thread ends before it answers. */
  ask(command: Unnumbered): Promise<string> {
    if (this.#hasEnded) return Promise.reject(lost());
    const question = (this.#lastQuestion += 1);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiting.set(question, { resolve, reject });
    this.#worker.postMessage({ ...command, question });
    return promise;
  }

  /** Resolves when the thread has ended. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(event: ThreadEvent): void {
    if (event.kind === 'done') this.#settle(event.question)?.resolve(event.text);
    else if (event.kind === 'failed') {
      const { code, message, retryAfterSeconds } = event;
      this.#settle(event.question)?.reject(new EarshotError(code, message, retryAfterSeconds === undefined ? {} : { retryAfterSeconds }));
    } else {
      this.#handlers.event(event);
      if (event.kind === 'audio') Atomics.add(this.#taken, 0, 1);
    }
  }

  #settle(question: number): Waiting | undefined {
    const waiting = this.#waiting.get(question);
    this.#waiting.delete(question);
    return waiting;
  }

  #end(): void {
    this.#hasEnded = true;
    for (const { reject } of this.#waiting.values()) reject(lost());
    this.#waiting.clear();
    this.#handlers.ended(this.#failure);
  }
}

const lost = (): EarshotError => new EarshotError('BACKEND_UNAVAILABLE', 'The media thread of this connection has ended.', { retryAfterSeconds: 1 });
