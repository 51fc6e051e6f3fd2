import { samplesToMs } from '../src/core/audio.ts';
import { EarshotError, toEarshotError } from '../src/core/errors.ts';
import type { Session } from '../src/core/session/session.ts';
import type { Connection } from './connection.ts';
import type { Command } from './dialects/dialect.ts';
import { callConversation, type RealtimeConversation } from './dialects/openai-realtime.ts';
import type { RealtimeSettings } from './dialects/openai-realtime-settings.ts';
import type { WebRtcSessions } from './offer-answer.ts';
import { channelConnection } from './transports/data-channel.ts';

/** The data channel of the events. */
const EVENTS_CHANNEL = 'oai-events';

/** WebRTC sessions that speak OpenAI's events, on a data channel of the peer's and on any number of sockets beside it. */
export class RealtimeCalls {
  readonly #webrtc: WebRtcSessions;
  readonly #calls = new Map<string, Call>();

  constructor(webrtc: WebRtcSessions) {
    this.#webrtc = webrtc;
  }

  /** Takes over a fresh session; resolves with the call's id and the answer. Rejects as `WebRtcSessions.open` does. */
  async open(session: Session, settings: RealtimeSettings, offerSdp: string): Promise<{ readonly id: string; readonly answer: string }> {
    const id = session.id.replace(/^ses_/, 'rtc_');
    const call = new Call(session, settings);
    this.#calls.set(id, call);
    void session.closed.then(() => this.#calls.delete(id));
    const answer = await this.#webrtc.open(session, offerSdp, {
      takesOffers: false,
      onChannel: (channel) => {
        if (channel.label === EVENTS_CHANNEL) void call.serve(channelConnection(channel));
      },
    });
    return { id, answer: answer ?? '' };
  }

  /** The tenant's call. Throws `NOT_FOUND`, also for another tenant's. */
  find(id: string, tenantId: string): Call {
    const call = this.#calls.get(id);
    if (call?.tenantId !== tenantId) throw new EarshotError('NOT_FOUND', 'There is no such call.');
    return call;
  }
}

/** One session, one conversation, and everybody who is told of it. */
export class Call {
  readonly #session: Session;
  readonly #conversation: RealtimeConversation;
  readonly #connections = new Set<Connection>();
  #delivering: Promise<void> | undefined;

  constructor(session: Session, settings: RealtimeSettings) {
    this.#session = session;
    this.#conversation = callConversation({ requestId: session.id.replace(/^ses_/, ''), settings, heardMs: () => samplesToMs(session.totals()[0]?.heardSamples ?? 0) });
  }

  get tenantId(): string {
    return this.#session.tenantId;
  }

  /** Tells the connection of the session from now on, and does what it asks. Resolves when it is gone. Never rejects. */
  async serve(connection: Connection): Promise<void> {
    try {
      await this.#obey(this.#conversation.begin(), [connection]);
      this.#connections.add(connection);
      // What came before anybody listened is told to the first.
      this.#delivering ??= this.#deliver();
      for await (const message of connection.messages) await this.#obey(this.#conversation.decode(message), this.#connections);
    } catch {
      connection.close(1011, 'INTERNAL');
    }
    this.#connections.delete(connection);
    await connection.closed;
  }

  /** Resolves when the last final is out. */
  hangUp(): Promise<void> {
    return this.#session.close('finished');
  }

  async #obey(commands: readonly Command[], listeners: Iterable<Connection>): Promise<void> {
    for (const command of commands) {
      if (command.type === 'send') await tell(listeners, command.messages);
      else if (command.type === 'flush') void this.#session.flush();
      else if (command.type === 'endpointing') this.#session.setEndpointing(command.options);
    }
  }

  async #deliver(): Promise<void> {
    let [code, reason] = [1000, 'finished'];
    try {
      for await (const event of this.#session.events()) {
        await tell(this.#connections, this.#conversation.encode(event));
        if (event.type === 'session.closed' && event.error) throw new EarshotError(event.error.code, event.error.message);
      }
    } catch (thrown) {
      const error = toEarshotError(thrown);
      const farewell = this.#conversation.fail(error);
      [code, reason] = [farewell.closeCode, error.code];
      await tell(this.#connections, farewell.messages);
    }
    for (const connection of this.#connections) connection.close(code, reason);
  }
}

async function tell(listeners: Iterable<Connection>, messages: readonly string[]): Promise<void> {
  for (const text of messages) await Promise.all([...listeners].map((connection) => connection.send(text)));
}
