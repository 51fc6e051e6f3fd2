import type { NumberedEvent } from '../src/core/transcript.ts';
import type { Connection } from './connection.ts';
import type { Arrival, NumberedClient } from './numbered-client.ts';

/** One connection of the client, while it is the newest. */
export interface Attachment {
  readonly connection: Connection;
  /** Next place of the outbox to be sent. */
  next: number;
  /** Acknowledgements to be sent, which another connection does not need. */
  acks: { readonly upTo: number; readonly texts: readonly string[] }[];
  /** The last that was sent. */
  acked: number;
  /** Sent since the client was last asked what it received. */
  unasked: number;
  /** Place of the outbox up to which it is known that the client received. */
  confirmed: number;
  confirming: boolean;
  /** The client did not repeat anything soon. */
  late: boolean;
  /** Where the client says where it goes on. */
  readonly numbered: { readonly arrival: Arrival; readonly client: NumberedClient; readonly events: AsyncIterable<NumberedEvent> } | undefined;
  wake: () => void;
}

/** `next`: the first place of the outbox that the client may not have. */
export const newAttachment = (connection: Connection, next: number, numbered: Attachment['numbered']): Attachment => ({
  connection,
  next,
  acks: [],
  acked: 0,
  unasked: 0,
  confirmed: next,
  confirming: false,
  late: false,
  numbered,
  wake: () => undefined,
});
