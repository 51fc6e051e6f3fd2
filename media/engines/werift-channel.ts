import type { RTCDataChannel } from 'werift';
import type { RemoteChannel } from '../../src/core/media-engine.ts';

/** Bytes that may wait to be sent before `send` waits. */
const MAX_BUFFERED_BYTES = 256 * 1024;

/** A data channel that the other side opened. */
export function remoteChannel(channel: RTCDataChannel): RemoteChannel {
  const { promise: opened, resolve: open } = Promise.withResolvers<boolean>();
  const closed = Promise.withResolvers<void>();
  const end = (): void => {
    open(false);
    closed.resolve();
  };
  const early: (string | Buffer)[] = [];
  let message: (data: string | Uint8Array) => void = (data) => {
    early.push(data as string | Buffer);
  };
  channel.bufferedAmountLowThreshold = MAX_BUFFERED_BYTES;
  channel.onMessage.subscribe((data) => {
    message(data);
  });
  channel.stateChanged.subscribe((state) => {
    if (state === 'open') open(true);
    if (state === 'closed') end();
  });
  if (channel.readyState === 'open') open(true);
  return {
    label: channel.label,
    listen: (handlers) => {
      message = (data) => {
        handlers.message(data);
      };
      for (const data of early.splice(0)) message(data);
      void closed.promise.then(() => {
        handlers.closed();
      });
    },
    send: async (text) => {
      // The channel is told of before it is open; what is said first must not be lost.
      if (!(await opened) || channel.readyState !== 'open') return;
      channel.send(text);
      if (channel.bufferedAmount > MAX_BUFFERED_BYTES) await Promise.race([channel.bufferedAmountLow.asPromise(), closed.promise]);
    },
    close: () => {
      channel.close();
      end();
    },
  };
}
