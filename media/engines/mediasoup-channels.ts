import type { types } from 'mediasoup';
import type { Clock } from '../../src/core/clock.ts';
import type { RemoteChannel } from '../../src/core/media-engine.ts';
import { CHANNEL_ACK, DCEP_PPID, EMPTY_BINARY_PPID, EMPTY_STRING_PPID, openedLabel, STRING_PPID } from './dcep.ts';
import type { MediaWorker } from './mediasoup-workers.ts';

/** Bytes that may wait to be sent before `send` waits. */
const MAX_BUFFERED_BYTES = 256 * 1024;
/** Streams on which a client may open channels. */
const MAX_STREAMS = 16;
/** Streams that are listened to beyond the last that was used: a DTLS client's are the even ones (RFC 8832, section 6), but not all keep to that. */
const SPARE_STREAMS = 4;
/** mediasoup does not tell when the client has closed a channel: it is asked this often. */
const LOOK_EVERY_MS = 5000;

/**
 * The data channels of one connection. mediasoup knows SCTP streams and not channels: this side listens on the first
 * streams, takes the message that opens a channel on one, and answers.
 */
export class MediasoupChannels {
  readonly #worker: MediaWorker;
  readonly #transport: types.WebRtcTransport;
  readonly #clock: Clock;
  readonly #opened: (channel: RemoteChannel) => void;
  #cancelLook: () => void = () => undefined;
  /** Senders by stream: mediasoup gives out streams in their order. */
  readonly #senders: types.DataConsumer[] = [];
  readonly #channels = new Map<number, Channel>();
  #streams = 0;
  #used = 0;
  #listening: Promise<void> = Promise.resolve();

  constructor(worker: MediaWorker, transport: types.WebRtcTransport, clock: Clock, opened: (channel: RemoteChannel) => void) {
    this.#worker = worker;
    this.#clock = clock;
    this.#transport = transport;
    this.#opened = opened;
  }

  /** Resolves when channels can be opened. Calling it again adds none. */
  listen(): Promise<void> {
    return (this.#listening = this.#listening.then(() => this.#listen()));
  }

  /** The connection is gone. */
  end(): void {
    this.#cancelLook();
    for (const channel of this.#channels.values()) channel.end();
    this.#channels.clear();
  }

  #look(): void {
    this.#cancelLook = this.#clock.setTimer(LOOK_EVERY_MS, () => {
      const open = [...this.#channels.values()].filter((channel) => !channel.isClosed);
      for (const channel of open) void channel.look();
      if (open.length > 0) this.#look();
    });
  }

  async #listen(): Promise<void> {
    while (this.#streams < Math.min(MAX_STREAMS, this.#used + SPARE_STREAMS)) {
      const streamId = this.#streams;
      this.#streams += 1;
      await this.#receive(streamId);
      while (this.#senders.length <= streamId) this.#senders.push(await this.#transport.consumeData({ dataProducerId: this.#worker.silence.id, ordered: true }));
    }
  }

  async #receive(streamId: number): Promise<void> {
    const producer = await this.#transport.produceData({ sctpStreamParameters: { streamId, ordered: true } });
    const receiver = await this.#worker.direct.consumeData({ dataProducerId: producer.id });
    receiver.on('message', (message, ppid) => {
      if (ppid === DCEP_PPID) this.#onControl(streamId, message);
      else this.#channels.get(streamId)?.receive(message, ppid);
    });
  }

  #onControl(streamId: number, message: Uint8Array): void {
    const label = openedLabel(message);
    const sender = this.#senders[streamId];
    if (label === undefined || !sender || this.#channels.has(streamId)) return;
    const channel = new Channel(label, sender);
    this.#channels.set(streamId, channel);
    this.#used = Math.max(this.#used, streamId + 1);
    this.#cancelLook();
    this.#look();
    sender.send(Buffer.from(CHANNEL_ACK), DCEP_PPID).catch(() => {
      channel.end();
    });
    void this.listen().catch(() => undefined);
    this.#opened(channel);
  }
}

class Channel implements RemoteChannel {
  readonly label: string;
  readonly #sender: types.DataConsumer;
  readonly #early: (string | Uint8Array)[] = [];
  readonly #closed = Promise.withResolvers<void>();
  #message: (data: string | Uint8Array) => void = (data) => {
    this.#early.push(data);
  };
  isClosed = false;

  constructor(label: string, sender: types.DataConsumer) {
    this.label = label;
    this.#sender = sender;
  }

  listen(handlers: { message(data: string | Uint8Array): void; closed(): void }): void {
    this.#message = (data) => {
      handlers.message(data);
    };
    for (const data of this.#early.splice(0)) this.#message(data);
    void this.#closed.promise.then(() => {
      handlers.closed();
    });
  }

  async send(text: string): Promise<void> {
    if (this.isClosed) return;
    try {
      const bufferedBytes = await this.#sender.send(text);
      if (bufferedBytes > MAX_BUFFERED_BYTES) await this.#drained();
    } catch {
      // The buffer that mediasoup has is full, or the other side is gone: it takes nothing more.
      this.close();
    }
  }

  close(): void {
    if (this.isClosed) return;
    this.end();
    this.#sender.close();
  }

  receive(message: Buffer, ppid: number): void {
    if (this.isClosed) return;
    if (ppid === STRING_PPID) this.#message(message.toString());
    else if (ppid === EMPTY_STRING_PPID) this.#message('');
    else this.#message(ppid === EMPTY_BINARY_PPID ? new Uint8Array() : message);
  }

  /** Told, not asked: it is gone. */
  end(): void {
    this.isClosed = true;
    this.#closed.resolve();
  }

  /** The client closes a channel by resetting its stream, which takes the sender away. */
  async look(): Promise<void> {
    await this.#sender.getBufferedAmount().catch(() => {
      this.end();
    });
  }

  async #drained(): Promise<void> {
    const low = Promise.withResolvers<void>();
    this.#sender.once('bufferedamountlow', () => {
      low.resolve();
    });
    await this.#sender.setBufferedAmountLowThreshold(MAX_BUFFERED_BYTES / 2);
    await Promise.race([low.promise, this.#closed.promise]);
  }
}
