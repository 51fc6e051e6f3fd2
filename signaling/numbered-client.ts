import type { AudioFormat } from '../src/core/audio.ts';
import type { Clock } from '../src/core/clock.ts';
import type { EarshotError } from '../src/core/errors.ts';
import type { NumberedEvent } from '../src/core/transcript.ts';
import type { Connection } from './connection.ts';
import type { Conversation } from './dialects/dialect.ts';

/** One connection's side of a protocol whose client says where it goes on, and is told how far its audio has come. */
export interface NumberedConversation extends Conversation {
  /** The bytes before this one need not be sent again. */
  acknowledge(position: number): readonly string[];
}

/** A connection of a client that says where it goes on. */
export interface Arrival {
  readonly conversation: NumberedConversation;
  /** The next byte that it sends. */
  readonly position: number;
  /** The last event that it has seen. */
  readonly afterSeq: number;
  /** Of its audio. Of a later connection it is that of the first. */
  readonly format: AudioFormat;
  /** What it is told first, given the bytes that came so far. Default: nothing. */
  readonly greeting?: (position: number) => readonly string[];
}

/** Between two acknowledgements there is at least so much time: clients forget by them, and nothing else waits. */
const ACKNOWLEDGE_EVERY_MS = 100;

/** Tells one connection of such a client what it has not seen, and what it need not keep. */
export class NumberedClient {
  readonly #connection: Connection;
  readonly #conversation: NumberedConversation;
  readonly #clock: Clock;
  #acknowledged: number;
  #position: number;
  #isResting = false;
  #cancelRest: () => void = () => undefined;

  constructor(connection: Connection, { conversation, position }: Arrival, clock: Clock) {
    this.#connection = connection;
    this.#conversation = conversation;
    this.#clock = clock;
    this.#acknowledged = position;
    this.#position = position;
  }

  acknowledge(position: number): void {
    this.#position = position;
    if (this.#isResting || position <= this.#acknowledged) return;
    this.#acknowledged = position;
    for (const text of this.#conversation.acknowledge(position)) void this.#connection.send(text);
    this.#isResting = true;
    this.#cancelRest = this.#clock.setTimer(ACKNOWLEDGE_EVERY_MS, () => {
      this.#isResting = false;
      this.acknowledge(this.#position);
    });
  }

  /** Rejects with what the events do. */
  async tell(events: AsyncIterable<NumberedEvent>): Promise<void> {
    for await (const event of events) for (const text of this.#conversation.encode(event)) await this.#connection.send(text);
  }

  async sayFarewell(fault: EarshotError | undefined): Promise<void> {
    this.forget();
    if (!fault) {
      this.#connection.close(1000, 'finished');
      return;
    }
    const { messages, closeCode } = this.#conversation.fail(fault);
    for (const text of messages) await this.#connection.send(text);
    this.#connection.close(closeCode, fault.code);
  }

  forget(): void {
    this.#isResting = true;
    this.#cancelRest();
  }
}
