import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import { FOREIGN } from './foreign-receivers.ts';
import type { ReceiverCommand, ReceiverReply, SenderCommand, SenderReply } from './ingest-messages.ts';

const HERE = import.meta.dirname;
const ENGINE_RECEIVER = path.join(HERE, '../../media/engines/testing/ingest-receiver.ts');

/** As `npm start` has them. */
const SERVER_FLAGS: readonly string[] = ['--max-semi-space-size=4', '--no-allocation-site-pretenuring'];
const COMPILE_CACHE = path.join(HERE, '../../node_modules/.cache/node');

/** What can be measured, in the order in which it is. */
export const RECEIVERS: readonly string[] = ['bare', 'mediasoup', 'werift', 'threads', ...Object.keys(FOREIGN)];

type Reply = ReceiverReply | SenderReply;

/** A process that answers commands. Replies without an `id` answer the one question of their kind. */
class Conversation<Command, Answer extends Reply> {
  readonly #child: ChildProcess;
  readonly #waiting = new Set<{ readonly matches: (reply: Answer) => boolean; readonly settle: (reply: Answer | Error) => void }>();

  constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (message) => this.#receive(message as Answer));
    child.once('exit', (code) => this.#fail(new Error(`A process of the benchmark ended (${String(code)}).`)));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async ask<K extends Answer['kind']>(command: Command, kind: K, id?: number): Promise<Extract<Answer, { kind: K }>> {
    const answered = this.reply(kind, id);
    this.#child.send(command as object);
    return await answered;
  }

  /** Says what has no answer. */
  tell(command: Command): void {
    this.#child.send(command as object);
  }

  reply<K extends Answer['kind']>(kind: K, id?: number): Promise<Extract<Answer, { kind: K }>> {
    const { promise, resolve, reject } = Promise.withResolvers<Extract<Answer, { kind: K }>>();
    const matches = (reply: Answer): boolean => reply.kind === kind && (id === undefined || ('id' in reply && reply.id === id));
    this.#waiting.add({ matches, settle: (reply) => (reply instanceof Error ? reject(reply) : resolve(reply as Extract<Answer, { kind: K }>)) });
    return promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#waiting.clear();
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill('SIGKILL');
    return ended;
  }

  #receive(reply: Answer): void {
    if (reply.kind === 'failed') {
      this.#fail(new Error(reply.reason));
      return;
    }
    for (const waiting of this.#waiting) {
      if (!waiting.matches(reply)) continue;
      this.#waiting.delete(waiting);
      waiting.settle(reply);
      return;
    }
  }

  #fail(error: Error): void {
    for (const { settle } of this.#waiting) settle(error);
    this.#waiting.clear();
  }
}

export type Receiver = Conversation<ReceiverCommand, ReceiverReply>;

export class Sender extends Conversation<SenderCommand, SenderReply> {
  constructor() {
    super(fork(path.join(HERE, 'ingest-sender.ts')));
  }

  /** Did the connection come about? */
  outcome(id: number): Promise<boolean> {
    return Promise.race([this.reply('connected', id).then(() => true), this.reply('gone', id).then(() => false)]);
  }
}

/** Started and ready; undefined, and said aloud, if it is not to be had on this machine. */
export async function receiverOf(name: string): Promise<Receiver | undefined> {
  const foreign = FOREIGN[name];
  try {
    const receiver: Receiver = new Conversation(await (foreign?.start() ?? forkReceiver(name)));
    await receiver.reply('ready');
    return receiver;
  } catch (error) {
    process.stderr.write(`${name} is NOT MEASURED: ${String(error)}\n`);
    if (foreign) process.stderr.write(`${name} needs Debian's ${foreign.packages}.\n`);
    return undefined;
  }
}

function forkReceiver(name: string): ChildProcess {
  const options = { execArgv: ['--expose-gc', ...SERVER_FLAGS], env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE } };
  return name === 'bare' ? fork(path.join(HERE, 'bare-ingest.ts'), [], options) : fork(ENGINE_RECEIVER, [name], options);
}
