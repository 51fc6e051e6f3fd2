import type { AudioDecoder } from '../src/core/audio.ts';
import { EarshotError, toEarshotError } from '../src/core/errors.ts';
import type { ObserveStage } from '../src/core/stages.ts';
import type { Session } from '../src/core/session/session.ts';
import { AudioIntake } from './audio-intake.ts';
import type { Analysis } from '../src/core/text-analysis.ts';
import type { Utterance } from '../src/core/transcript.ts';
import type { Connection } from './connection.ts';
import type { Command, Conversation, StreamRequest } from './dialects/dialect.ts';

export interface GatewayServices {
  /** Admits a session for the authenticated client; throws what the client is told. */
  readonly openSession: (request: StreamRequest) => Promise<Session>;
  /** The session that the conversation's `opening` asked for, where there is one. */
  readonly session?: Session;
  readonly decode: AudioDecoder;
  /** Answers what the conversation's `analysis` asks of each final. Never rejects. */
  readonly analyse?: (utterance: Utterance) => Promise<Analysis>;
  /** Told of what ended a stream before its time; the client has been told already. */
  readonly onFault: (error: EarshotError) => void;
  /** Time a client has to send `open`. Default 30 s. */
  readonly openTimeoutMs?: number;
  /** Told how long each piece of audio waited to be decoded: `queue`. */
  readonly observe?: ObserveStage;
}

/** Time a client has to send `open`. */
export const OPEN_TIMEOUT_MS = 30_000;

/**
 * The one loop of every streaming socket: connection x conversation x session. Resolves when all three are done.
 *
 *   client -> decode -> audio bytes -> bounded queue -> AudioDecoder -> lanes ─┐
 *   client <- encode <- events  <─────────────────────────────────── session <─┘
 */
export async function serveStream(
  connection: Connection,
  conversation: Conversation,
  services: GatewayServices,
): Promise<void> {
  const stream = new Stream(connection, conversation, services);
  await stream.run();
}

/**
 * A second pair of eyes on a session that lives without this socket: events after `afterSeq`, and the client's wish to end it.
 * The session goes on when the socket is lost.
 */
export async function serveControl(
  connection: Connection,
  conversation: Conversation,
  session: Session,
  afterSeq: number,
): Promise<void> {
  const gone = new AbortController();
  void connection.closed.then(() => {
    gone.abort();
  });
  const reading = (async () => {
    for await (const message of connection.messages) {
      for (const command of conversation.decode(message)) {
        if (command.type === 'finish') void session.close('finished');
        else if (command.type === 'flush') void session.flush();
        else if (command.type === 'send') for (const text of command.messages) await connection.send(text);
      }
    }
  })();
  try {
    await Promise.race([reading, deliver(connection, conversation, session, { afterSeq, signal: gone.signal })]);
  } catch (error) {
    await sayFarewell(connection, conversation, toEarshotError(error));
  }
  gone.abort();
  reading.catch(() => undefined);
  await connection.closed;
}

class Stream {
  readonly #connection: Connection;
  readonly #conversation: Conversation;
  readonly #services: GatewayServices;
  readonly #audio: AudioIntake;
  readonly #stop = new AbortController();
  /** Rejects with what ended the session before its time. */
  readonly #failure = Promise.withResolvers<never>();
  #session: Session | undefined;

  constructor(connection: Connection, conversation: Conversation, services: GatewayServices) {
    this.#connection = connection;
    this.#conversation = conversation;
    this.#services = services;
    this.#audio = new AudioIntake({ decode: services.decode, signal: this.#stop.signal, ...(services.observe && { observe: services.observe }) });
    this.#failure.promise.catch(() => undefined);
  }

  async run(): Promise<void> {
    const openTimer = setTimeout(() => {
      if (!this.#session) this.#failure.reject(new EarshotError('SESSION_IDLE', 'No "open" came in time.'));
    }, this.#services.openTimeoutMs ?? this.#conversation.openTimeoutMs ?? OPEN_TIMEOUT_MS);
    try {
      await Promise.race([this.#read(), this.#failure.promise]);
      // The client is gone: what it sent is still heard, though nobody reads the answer here.
      this.#audio.end('abandoned');
      await this.#session?.closed;
    } catch (error) {
      await this.#fail(toEarshotError(error));
    } finally {
      clearTimeout(openTimer);
      this.#stop.abort(new EarshotError('SESSION_CONFLICT', 'The stream has ended.'));
      this.#audio.discard();
    }
    await this.#connection.closed;
  }

  /** Resolves when the client is gone. */
  async #read(): Promise<void> {
    const { opening } = this.#conversation;
    if (opening) await this.#open(opening);
    for (const command of this.#conversation.begin?.() ?? []) await this.#do(command);
    for await (const message of this.#connection.messages) {
      for (const command of this.#conversation.decode(message)) await this.#do(command);
    }
  }

  async #do(command: Command): Promise<void> {
    switch (command.type) {
      case 'open':
        await this.#open(command.request);
        return;
      case 'audio':
        await this.#audio.push(command.bytes);
        return;
      case 'finish':
        this.#audio.end('finished');
        return;
      case 'flush':
      case 'endpointing':
        await this.#audio.wish(command);
        return;
      case 'send':
        for (const text of command.messages) await this.#connection.send(text);
        return;
      case 'keep-alive':
        this.#session?.keepAlive();
        return;
      case 'leave':
        throw new EarshotError('SESSION_CONFLICT', 'This session has no other way for its audio.');
    }
  }

  async #open(request: StreamRequest): Promise<void> {
    const session = this.#services.session ?? (await this.#services.openSession(request));
    if (this.#stop.signal.aborted) {
      // The client was given up while its session was being opened.
      void session.close('abandoned');
      return;
    }
    this.#session = session;
    const { analyse } = this.#services;
    deliver(this.#connection, this.#conversation, session, { afterSeq: 0, signal: this.#stop.signal, ...(analyse && { analyse }) }).catch(this.#failure.reject);
    void this.#audio.feed(session, request.format);
  }

  async #fail(error: EarshotError): Promise<void> {
    this.#services.onFault(error);
    void this.#session?.destroy(error);
    await sayFarewell(this.#connection, this.#conversation, error);
  }
}

interface Delivery extends Pick<GatewayServices, 'analyse'> {
  readonly afterSeq: number;
  readonly signal: AbortSignal;
}

/** Sends every event; closes the connection after the last. Rejects with the error that ended the session. */
async function deliver(connection: Connection, conversation: Conversation, session: Session, { afterSeq, signal, analyse }: Delivery): Promise<void> {
  for await (const event of session.events(afterSeq, signal)) {
    const found = analyse && event.type === 'utterance.final' && event.utterance.words.length > 0 ? await analyse(event.utterance) : undefined;
    for (const text of conversation.encode(event, found)) await connection.send(text);
    if (event.type !== 'session.closed') continue;
    if (event.error) throw new EarshotError(event.error.code, event.error.message);
    connection.close(1000, 'finished');
  }
}

/** Tells the client why it is let go. */
export async function sayFarewell(connection: Connection, conversation: Conversation, error: EarshotError): Promise<void> {
  const { messages, closeCode, reason } = conversation.fail(error);
  for (const text of messages) await connection.send(text);
  connection.close(closeCode, reason ?? error.code);
}
