import { BoundedQueue } from '../../src/core/bounded-queue.ts';
import type { RemoteChannel } from '../../src/core/media-engine.ts';
import type { Connection, WireMessage } from '../connection.ts';

/** Bytes that may wait to be read; a sender cannot be paused here, so one that sends more is dropped. */
const MAX_QUEUED_BYTES = 1024 * 1024;

/** What a connection without close codes ends with. */
const NO_CLOSE_CODE = 1006;

/** A WebRTC data channel as a client's connection. It knows no close codes: who is to be told something is told before. */
export function channelConnection(channel: RemoteChannel): Connection {
  const messages = new BoundedQueue<WireMessage>({ maxWeight: MAX_QUEUED_BYTES, weigh: (message) => message.length });
  const closed = Promise.withResolvers<void>();
  let closeCode: number | undefined;
  channel.listen({
    message: (data) => {
      if (messages.isFull) channel.close();
      else void messages.push(data);
    },
    closed: () => {
      closeCode = NO_CLOSE_CODE;
      messages.end();
      closed.resolve();
    },
  });
  return {
    messages,
    closed: closed.promise,
    get closeCode() {
      return closeCode;
    },
    send: (text) => channel.send(text),
    // A data channel does not tell what has arrived.
    confirm: () => closed.promise.then(() => false),
    close: () => {
      messages.discard();
      channel.close();
    },
  };
}
