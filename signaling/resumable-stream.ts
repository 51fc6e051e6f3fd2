import type { AudioDecoder, AudioFormat, AudioSource } from '../src/core/audio.ts';
import type { Clock } from '../src/core/clock.ts';
import { EarshotError, toEarshotError } from '../src/core/errors.ts';
import type { Session } from '../src/core/session/session.ts';
import type { ObserveStage } from '../src/core/stages.ts';
import { type Attachment, newAttachment } from './attachment.ts';
import { AudioIntake } from './audio-intake.ts';
import { AudioLedger } from './audio-ledger.ts';
import type { Connection } from './connection.ts';
import type { Command, Farewell } from './dialects/dialect.ts';
import { type Arrival, NumberedClient } from './numbered-client.ts';
import { NumberedLedger } from './numbered-ledger.ts';
import { Outbox } from './outbox.ts';
import { type Patience, PATIENCE } from './patience.ts';
import type { Companion, GuessedClient, ResumableConversation } from './resumable-conversation.ts';

export interface ResumableStreamOptions extends Partial<GuessedClient> {
  readonly session: Session;
  readonly decode: AudioDecoder;
  readonly clock: Clock;
  /** Told of what ended the session before its time. */
  readonly onFault: (error: EarshotError) => void;
  /** Given every new byte of audio, in order. */
  readonly onAudio?: (bytes: Uint8Array) => void;
  /** Takes what the audio is decoded to. Default: each is a new lane of the session. */
  readonly addLanes?: (lanes: readonly AudioSource[]) => void;
  /** The client's audio goes on by another way, which has carried so much of it already. Default: there is none, and it is refused. */
  readonly onLeave?: (overlapSeconds: number) => Promise<void>;
  /** Awaited with what ended the session before its time once that has told its last, before the client is let go. Never rejects. */
  readonly beforeEnd?: (fault: EarshotError | undefined) => Promise<void>;
  readonly companion?: Companion;
  readonly observe?: ObserveStage;
  readonly patience?: Partial<Patience>;
}

/** Close code of a connection in whose place the client has made another. */
const REPLACED = 4409;
/** Time that a client has, once it is back, to repeat what it does not know to be received. */
const REPETITION_MS = 300;
/** A question with its answer costs more than they do. In silence no audio would tell what the client has. */
const ACKS_PER_QUESTION = 16;
const GOING_AWAY = 1001;
const NORMAL = 1000;

/**
 * A session whose client comes and goes: it owns conversation, audio and messages, and connections are lent to it.
 *
 *   waiting <---- lost, gone away -----> attached ------ finish, close 1000, idle -----> ending -----> over
 *      |                                                                                  ^
 *      +------------------------------- patience ran out ---------------------------------+
 *
 * Audio that comes again after a loss is recognized and heard once ({@link AudioLedger}). Messages are kept until the client has
 * answered a ping after them, and come again on the next connection: at least once, with the ids that they had.
 * A client that says where it goes on ({@link Arrival}; the stream then has no conversation of its own) is believed: its bytes are counted, and events come from the log.
 */
export class ResumableStream {
  /** Resolves when the client has had the last word, or will not fetch it any more. */
  readonly over: Promise<void>;
  /** Resolves when the session has told its last. */
  readonly ended: Promise<void>;
  readonly session: Session;
  readonly #options: ResumableStreamOptions;
  readonly #conversation: ResumableConversation | undefined;
  readonly #patience: Patience;
  readonly #ledger: AudioLedger;
  readonly #numbers = new NumberedLedger();
  #format: AudioFormat;
  readonly #intake: AudioIntake;
  readonly #outbox = new Outbox();
  readonly #stop = new AbortController();
  /** Where in the outbox each acknowledgement was sent: who has seen it has seen the messages before. */
  #marks: { readonly ack: number; readonly place: number }[] = [];
  #markedAck = 0;
  readonly #done = Promise.withResolvers<void>();
  #fault: EarshotError | undefined;
  #current: Attachment | undefined;
  #joined = false;
  #feeding = false;
  /** The client wants no more audio to be taken, or will not come back. */
  #finished = false;
  /** The session goes on without this stream. */
  #released = false;
  /** The client has closed for good: it will not fetch the end. */
  #left = false;
  /** How connections are closed once everything is sent. */
  #farewell: Pick<Farewell, 'closeCode' | 'reason'> | undefined;
  #cancelTimer: () => void = () => undefined;

  constructor(options: ResumableStreamOptions) {
    this.#options = options;
    this.#conversation = options.conversation;
    this.session = options.session;
    this.#patience = { ...PATIENCE, ...options.patience };
    this.#ledger = new AudioLedger({ frameBytes: options.frameBytes ?? 1, acknowledging: options.acknowledging ?? false });
    this.#format = options.format ?? { container: 'auto' };
    this.#intake = new AudioIntake({ decode: options.decode, signal: this.#stop.signal, ...(options.observe && { observe: options.observe }) });
    this.over = this.#done.promise;
    this.ended = this.#listen();
    this.#wait(this.#patience.joinMs);
  }

  /** A connection has the client now. */
  get attached(): boolean {
    return this.#current !== undefined;
  }

  /** New bytes that came so far, of a client that says where it goes on. */
  get position(): number {
    return this.#numbers.position;
  }

  /** Serves the connection, in place of any before it. Resolves when it is gone. Throws where `arrival` names what the stream has not, or has no more. */
  async attach(connection: Connection, arrival?: Arrival): Promise<void> {
    const numbered = arrival && this.#believe(connection, arrival);
    this.#current?.connection.close(REPLACED, 'replaced by a newer connection');
    this.#left = false;
    const attachment = newAttachment(connection, this.#outbox.start, numbered);
    this.#current = attachment;
    if (numbered) this.#greet(connection, numbered.arrival);
    else if (this.#joined) this.#ledger.resume();
    else this.#do(this.#conversation?.begin?.() ?? []).catch(() => undefined);
    this.#joined = true;
    this.#watchIdle();
    const talking = numbered ? this.#tell(attachment, numbered) : this.#talk(attachment);
    await this.#read(attachment);
    await connection.closed;
    if (this.#current === attachment) this.#detach(connection.closeCode);
    attachment.wake();
    await talking;
  }

  /** The server stops: nothing is waited for any longer. */
  close(): void {
    this.#cancelTimer();
    this.#done.resolve();
  }

  /** The session goes on by another way: what came is heard, nobody is waited for, and the client is told so with its last message. */
  async release(lastMessage?: string): Promise<void> {
    this.#released = true;
    this.#finished = true;
    this.close();
    this.#intake.release();
    const connection = this.#current?.connection;
    if (lastMessage !== undefined) await connection?.send(lastMessage);
    connection?.close(NORMAL, 'left');
  }

  #believe(connection: Connection, arrival: Arrival): Attachment['numbered'] {
    const gone = new AbortController();
    void connection.closed.then(() => {
      gone.abort();
    });
    const events = this.session.events(arrival.afterSeq, gone.signal);
    this.#numbers.resume(arrival.position);
    if (!this.#feeding) this.#format = arrival.format;
    return { arrival, client: new NumberedClient(connection, arrival, this.#options.clock), events };
  }

  #greet(connection: Connection, { greeting }: Arrival): void {
    for (const text of greeting?.(this.#numbers.position) ?? []) void connection.send(text);
  }

  #detach(closeCode: number | undefined): void {
    this.#current = undefined;
    if (this.#farewell && (closeCode === NORMAL || this.#farewell.closeCode !== NORMAL)) {
      this.close();
      return;
    }
    // The client has said that it will not be back: what it sent is heard out in the background.
    if (closeCode === NORMAL) {
      this.#left = true;
      this.#cancelTimer();
      void this.#finish('finished');
    } else this.#wait(closeCode === GOING_AWAY ? this.#patience.awayMs : this.#patience.lostMs);
  }

  /** For the client's next connection, or for it to fetch the end. */
  #wait(ms: number): void {
    this.#setTimer(ms, () => {
      if (this.#farewell) this.close();
      else {
        void this.#finish('abandoned');
        this.#wait(this.#patience.lostMs);
      }
    });
  }

  #watchIdle(): void {
    this.#setTimer(this.#patience.idleMs, () => void this.#finish('abandoned'));
  }

  #setTimer(ms: number, act: () => void): void {
    this.#cancelTimer();
    if (!this.#released) this.#cancelTimer = this.#options.clock.setTimer(ms, act);
  }

  async #read(attachment: Attachment): Promise<void> {
    const { connection, numbered } = attachment;
    const conversation = numbered?.arrival.conversation ?? this.#conversation;
    try {
      for await (const message of connection.messages) {
        if (this.#current !== attachment) return;
        this.#watchIdle();
        await this.#do(conversation?.decode(message) ?? []);
      }
    } catch (error) {
      await this.session.destroy(toEarshotError(error));
    }
  }

  async #do(commands: readonly Command[]): Promise<void> {
    for (const command of commands) {
      if (command.type === 'audio') await this.#hear(command.bytes);
      else if (command.type === 'send') this.say(command.messages);
      else if (command.type === 'finish') await this.#finish('finished');
      else if (command.type === 'flush' || command.type === 'endpointing') await this.#intake.wish(command);
      else if (command.type === 'keep-alive') this.session.keepAlive();
      else if (command.type === 'leave') await this.#leave(command.overlapSeconds);
    }
  }

  async #leave(overlapSeconds: number): Promise<void> {
    if (!this.#options.onLeave) throw new EarshotError('SESSION_CONFLICT', 'This session has no other way for its audio.');
    await this.#options.onLeave(overlapSeconds);
  }

  async #hear(bytes: Uint8Array): Promise<void> {
    if (this.#finished) {
      this.#acknowledgeRepetition(bytes);
      return;
    }
    const taken = this.#take(this.#current?.numbered ? this.#numbers.take(bytes) : this.#ledger.take(bytes));
    this.#acknowledge();
    this.#current?.wake();
    await taken;
  }

  /** After the end only what came before may come again. */
  #acknowledgeRepetition(bytes: Uint8Array): void {
    if (this.#current?.numbered || !this.#ledger.undecided) return;
    this.#ledger.take(bytes);
    this.#acknowledge();
  }

  async #take(fresh: Uint8Array): Promise<void> {
    if (fresh.length === 0 || this.#intake.ended) return;
    this.#options.onAudio?.(fresh);
    const room = this.#intake.push(fresh);
    if (!this.#feeding) void this.#intake.feed(this.session, this.#format, this.#options.addLanes);
    this.#feeding = true;
    await room;
  }

  #acknowledge(): void {
    const attachment = this.#current;
    if (attachment?.numbered) {
      attachment.numbered.client.acknowledge(this.#numbers.position);
      return;
    }
    const range = this.#ledger.acknowledge();
    if (!range || !attachment || !this.#conversation) return;
    attachment.acks.push({ upTo: range[1], texts: this.#conversation.acknowledge(range) });
    attachment.wake();
  }

  async #finish(reason: 'finished' | 'abandoned'): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    await this.#take(this.#ledger.settle());
    this.#acknowledge();
    this.#intake.end(reason);
    // Nothing was sent: there is nothing to decode.
    if (!this.#feeding) await this.session.close(reason);
  }

  /** Puts messages behind those before. They wait for the client if it is away. */
  say(texts: readonly string[]): void {
    this.#outbox.put(texts);
    this.#current?.wake();
  }

  /** Everything that the session tells, to its end. Never rejects. */
  async #listen(): Promise<void> {
    let fault: EarshotError | undefined;
    try {
      for await (const event of this.session.events(this.#conversation ? 0 : this.session.lastSeq)) {
        // Nobody waits for what will be replaced.
        if (event.type === 'utterance.interim' && !this.#current) continue;
        if (event.type === 'session.closed') await this.#options.companion?.settled();
        if (this.#conversation) this.say(this.#conversation.encode(event));
        this.#options.companion?.heard(event);
        if (event.type === 'session.closed' && event.error) fault = new EarshotError(event.error.code, event.error.message);
      }
    } catch (error) {
      fault = toEarshotError(error);
    }
    await this.#options.beforeEnd?.(fault);
    this.#end(fault);
  }

  #end(fault: EarshotError | undefined): void {
    this.#finished = true;
    this.#stop.abort(new EarshotError('SESSION_CONFLICT', 'The stream has ended.'));
    this.#intake.discard();
    this.#fault = fault;
    if (fault) {
      this.#options.onFault(fault);
      const { messages, ...rest } = this.#conversation?.fail(fault) ?? { messages: [], closeCode: fault.rule.closeCode };
      this.#outbox.put(messages);
      this.#farewell = rest;
    } else this.#farewell = { closeCode: NORMAL, reason: 'finished' };
    if (this.#current) this.#current.wake();
    else if (this.#left) this.close();
    else this.#wait(this.#patience.lostMs);
  }

  /** Tells a client that counts what it has not seen, to the end or until its connection is gone. */
  async #tell(attachment: Attachment, { client, events }: NonNullable<Attachment['numbered']>): Promise<void> {
    let fault: EarshotError | undefined;
    try {
      await client.tell(events);
      if (this.session.ended) await this.ended;
      fault = this.#fault;
    } catch (error) {
      fault = toEarshotError(error);
    }
    if (this.#current === attachment && (fault ?? this.session.ended)) await client.sayFarewell(fault);
    client.forget();
  }

  /** Messages that may not have been received wait a moment: what the client repeats tells which of them it has. */
  async #skipReceived(attachment: Attachment): Promise<void> {
    if (this.#outbox.start === this.#outbox.end || !this.#options.acknowledging) return;
    const cancel = this.#options.clock.setTimer(REPETITION_MS, () => {
      attachment.late = true;
      attachment.wake();
    });
    while (this.#ledger.undecided && !attachment.late && this.#current === attachment) await new Promise<void>((resolve) => (attachment.wake = resolve));
    cancel();
    this.#forgetReceived();
    attachment.next = this.#outbox.start;
  }

  #forgetReceived(): void {
    const seen = this.#marks.findLast(({ ack }) => ack <= this.#ledger.seenAck);
    if (seen) this.#outbox.confirm(seen.place);
    this.#marks = this.#marks.filter(({ ack }) => ack > this.#ledger.seenAck);
  }

  /** Sends until the connection is gone or everything is said. */
  async #talk(attachment: Attachment): Promise<void> {
    await this.#skipReceived(attachment);
    while (this.#current === attachment) {
      const woken = new Promise<void>((resolve) => (attachment.wake = resolve));
      await this.#sendAll(attachment);
      void this.#confirm(attachment);
      if (this.#farewell && attachment.next === this.#outbox.end) {
        attachment.connection.close(this.#farewell.closeCode, this.#farewell.reason ?? '');
        return;
      }
      await woken;
    }
  }

  async #sendAll(attachment: Attachment): Promise<void> {
    const { connection } = attachment;
    for (const { upTo, texts } of attachment.acks.splice(0)) {
      for (const text of texts) await connection.send(text);
      attachment.acked = upTo;
      attachment.unasked += 1;
      // One that is told again proves nothing new.
      if (upTo > this.#markedAck) this.#marks.push({ ack: upTo, place: attachment.next });
      this.#markedAck = Math.max(this.#markedAck, upTo);
    }
    while (attachment.next < this.#outbox.end && this.#current === attachment) {
      // What was confirmed meanwhile, by a word from an older connection, is not kept any more.
      const place = Math.max(attachment.next, this.#outbox.start);
      attachment.next = place + 1;
      await connection.send(this.#outbox.at(place));
    }
  }

  /** Asks whether everything sent so far was received; one question at a time, and of acknowledgements alone for several together. */
  async #confirm(attachment: Attachment): Promise<void> {
    const { next, acked, confirmed } = attachment;
    if (attachment.confirming || (next === confirmed && attachment.unasked < (this.#ledger.doubtful ? 1 : ACKS_PER_QUESTION))) return;
    attachment.confirming = true;
    attachment.unasked = 0;
    if (!(await attachment.connection.confirm())) return;
    attachment.confirming = false;
    attachment.confirmed = next;
    this.#outbox.confirm(next);
    if (acked > 0) this.#ledger.confirm(acked);
    this.#forgetReceived();
    if (this.#current !== attachment) return;
    this.#acknowledge();
    attachment.wake();
  }
}
