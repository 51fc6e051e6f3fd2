import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { types } from 'mediasoup';
import { datagramDrain, ipv4Number } from './datagram-drain.ts';
import { isRtcp } from './stun.ts';

/** Takes an RTP packet of one stream, decrypted; it belongs to who takes it. */
export type TakePacket = (packet: Buffer) => void;

const LOOPBACK = '127.0.0.1';
const LOOPBACK_NUMBER = ipv4Number(LOOPBACK) ?? 0;
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
/** Packets that came before it was known whose they are; the oldest make way. */
const MAX_EARLY = 256;
const MAX_TRIES = 5;
const RTP_HEADER_BYTES = 12;

/**
 * The way of one worker's packets to this process: a plain transport of the worker, and a UDP socket from which they are taken many at a time
 * ({@link datagramDrain}). Nothing is believed that does not come from the transport's own port, which nobody else on the machine can have.
 *
 *     producer -> consumer (SSRC) -> plain transport == UDP on 127.0.0.1 ==> socket -> by SSRC -> `TakePacket`
 *
 * By the worker's pipe each packet would be a message that is built, parsed and emitted by itself.
 */
export class WorkerPackets {
  readonly #transport: types.PlainTransport;
  readonly #capabilities: types.RtpCapabilities;
  readonly #takers = new Map<number, TakePacket>();
  #early: { readonly ssrc: number; readonly packet: Buffer }[] = [];

  private constructor(socket: Socket, transport: types.PlainTransport, router: types.Router) {
    this.#transport = transport;
    this.#capabilities = bareCapabilities(router.rtpCapabilities);
    const { localPort } = transport.tuple;
    const take = (packet: Buffer, ipv4: number, port: number): void => {
      if (port === localPort && ipv4 === LOOPBACK_NUMBER) this.#take(packet);
    };
    const drain = datagramDrain(socket, take);
    socket.on('message', (packet, { address, port }) => {
      take(packet, address === LOOPBACK ? LOOPBACK_NUMBER : 0, port);
      drain?.();
    });
    // The worker's end, of whatever kind, is the end of its transports.
    transport.observer.once('close', () => socket.close());
  }

  /** Rejects if the worker or this process cannot have a port on the loopback interface. */
  static async open(router: types.Router, warn: (message: string, cause?: unknown) => void): Promise<WorkerPackets> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES });
    socket.bind(0, LOOPBACK);
    await once(socket, 'listening');
    socket.on('error', (cause) => warn('The socket of a media worker reports an error.', cause));
    try {
      const transport = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: LOOPBACK }, rtcpMux: true, comedia: false });
      await transport.connect({ ip: LOOPBACK, port: socket.address().port });
      return new WorkerPackets(socket, transport, router);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Gives `take` the packets of the producer until it is closed. Their payload types are the router's. Rejects if the worker cannot. */
  async receive(producer: types.Producer, take: TakePacket): Promise<void> {
    const { consumer, ssrc } = await this.#consume(producer);
    this.#takers.set(ssrc, take);
    consumer.observer.once('close', () => this.#takers.delete(ssrc));
    const early = this.#early;
    this.#early = early.filter((each) => each.ssrc !== ssrc);
    for (const each of early) if (each.ssrc === ssrc) take(each.packet);
  }

  /** The package draws SSRCs by lot: one that another stream has is drawn again. */
  async #consume(producer: types.Producer): Promise<{ readonly consumer: types.Consumer; readonly ssrc: number }> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const consumer = await this.#transport.consume({ producerId: producer.id, rtpCapabilities: this.#capabilities });
      const ssrc = consumer.rtpParameters.encodings?.[0]?.ssrc;
      if (ssrc !== undefined && !this.#takers.has(ssrc)) return { consumer, ssrc };
      consumer.close();
    }
    throw new Error('the worker gives out no number of its own');
  }

  #take(packet: Buffer): void {
    if (packet.length < RTP_HEADER_BYTES || isRtcp(packet)) return;
    const ssrc = packet.readUInt32BE(8);
    const take = this.#takers.get(ssrc);
    if (take) {
      take(packet);
      return;
    }
    // The worker's answer to `consume` comes by another way than the first packets do.
    this.#early.push({ ssrc, packet });
    if (this.#early.length > MAX_EARLY) this.#early.shift();
  }
}

/** Nothing is asked for again on the way through one machine, and no header extension is looked at here. */
const bareCapabilities = ({ codecs = [] }: types.RtpCapabilities): types.RtpCapabilities => ({
  codecs: codecs.map((codec) => ({ ...codec, rtcpFeedback: [] })),
  headerExtensions: [],
});
