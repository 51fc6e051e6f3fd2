import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { datagramDrain, ipv4Number, ipv4Text } from './datagram-drain.ts';
import { datagramKind, readStunEnvelope } from './stun.ts';
import type { StunEnvelope } from './stun.ts';

export interface RemoteAddress {
  readonly address: string;
  readonly port: number;
}

/** One ICE session among those that share a port. What it is given belongs to it. */
export interface PortUser {
  /** A binding request for one of its user names, or the response to a request it expects; not yet authenticated. */
  stun(data: Buffer, from: RemoteAddress, envelope: StunEnvelope): void;
  /** From an address that it holds or attends. */
  dtls(data: Buffer, from: RemoteAddress): void;
  /** RTP or RTCP from an address that it holds. */
  media(data: Buffer): void;
}

export interface UdpPortOptions {
  /** Lowest and highest port of which the first that is free is taken. Default any. */
  readonly range: readonly [number, number] | undefined;
  /** Room in the kernel for packets that wait for this process. It is what the kernel allows if that is less. */
  readonly receiveBufferBytes: number;
  readonly warn: (message: string, cause?: unknown) => void;
}

/** Datagrams that belonged to nobody, since the port was opened. */
export interface StrangeDatagrams {
  stun: number;
  dtls: number;
  media: number;
  unknown: number;
}

interface Holder {
  readonly address: string;
  /** The same as a number; undefined of IPv6. */
  readonly ipv4: number | undefined;
  readonly user: PortUser;
}

/** Requests of all sessions that wait for a response at a time; more are answered to nobody. */
const MAX_EXPECTED = 20_000;

/**
 * The one UDP port of all peers, on IPv4 and, where the machine has it, IPv6. A datagram's owner is found by
 *
 *     STUN request   -> the user name in it          STUN response -> its transaction
 *     DTLS           -> the address it comes from    RTP, RTCP     -> the address it comes from
 *
 * An address belongs to the session that holds it (`hold`), which it must do only once the other side has proved to be there.
 * Nothing from any other address goes further than here, except STUN.
 */
export class UdpPort {
  readonly port: number;
  readonly hasIpv6: boolean;
  readonly strange: StrangeDatagrams = { stun: 0, dtls: 0, media: 0, unknown: 0 };
  readonly #ipv4: Socket;
  readonly #ipv6: Socket | undefined;
  readonly #users = new Map<string, PortUser>();
  readonly #expected = new Map<string, PortUser>();
  readonly #attended = new Map<string, PortUser>();
  /** By remote port, because numbers are found faster than text; then by address. */
  readonly #holders = new Map<number, Holder[]>();
  #closing: Promise<void> | undefined;

  private constructor(ipv4: Socket, ipv6: Socket | undefined, warn: UdpPortOptions['warn']) {
    this.#ipv4 = ipv4;
    this.#ipv6 = ipv6;
    this.port = ipv4.address().port;
    this.hasIpv6 = ipv6 !== undefined;
    const drain = datagramDrain(ipv4, (data, address, port) => this.#receiveIpv4(data, address, port));
    ipv4.on('message', (data, from) => {
      this.#receive(data, from);
      drain?.();
    });
    ipv6?.on('message', (data, from) => this.#receive(data, from));
    for (const socket of ipv6 ? [ipv4, ipv6] : [ipv4]) {
      socket.on('error', (cause) => warn('The UDP port reports an error.', cause));
    }
  }

  /** Rejects with the last error of `bind` if no port of the range is free. */
  static async open(options: UdpPortOptions): Promise<UdpPort> {
    const [low, high] = options.range ?? [0, 0];
    let failure: unknown = new RangeError('The range of ports is empty.');
    for (let port = low; port <= high; port += 1) {
      try {
        return await UdpPort.#openAt(port, options);
      } catch (cause) {
        failure = cause;
      }
    }
    throw failure;
  }

  static async #openAt(port: number, { receiveBufferBytes, warn }: UdpPortOptions): Promise<UdpPort> {
    const ipv4 = await bound('udp4', port, receiveBufferBytes);
    try {
      const ipv6 = await bound('udp6', ipv4.address().port, receiveBufferBytes).catch((cause: unknown) => {
        // A machine without IPv6 refuses its addresses; another program on the same port is no reason to do without.
        if (isCode(cause, 'EADDRINUSE')) throw cause;
        return undefined;
      });
      return new UdpPort(ipv4, ipv6, warn);
    } catch (cause) {
      ipv4.close();
      throw cause;
    }
  }

  /** Binding requests with this user name are the user's, until `unregister`. */
  register(ufrag: string, user: PortUser): void {
    this.#users.set(ufrag, user);
  }

  unregister(ufrag: string): void {
    this.#users.delete(ufrag);
  }

  /** The response to this transaction is the user's, until `forget`. */
  expect(transactionId: string, user: PortUser): void {
    if (this.#expected.size < MAX_EXPECTED) this.#expected.set(transactionId, user);
  }

  forget(transactionId: string): void {
    this.#expected.delete(transactionId);
  }

  /** DTLS and media from the address are the user's; whoever held it before loses it. */
  hold({ address, port }: RemoteAddress, user: PortUser): void {
    const others = (this.#holders.get(port) ?? []).filter((holder) => holder.address !== address);
    this.#holders.set(port, [...others, { address, ipv4: ipv4Number(address), user }]);
  }

  /** DTLS from the address is shown to the user as long as nobody holds the address: the user may keep it until it does. */
  attend(from: RemoteAddress, user: PortUser): void {
    this.#attended.set(keyOf(from), user);
  }

  /** Neither holds nor attends the address any more. */
  leave(from: RemoteAddress, user: PortUser): void {
    const others = (this.#holders.get(from.port) ?? []).filter((holder) => holder.address !== from.address || holder.user !== user);
    if (others.length > 0) this.#holders.set(from.port, others);
    else this.#holders.delete(from.port);
    if (this.#attended.get(keyOf(from)) === user) this.#attended.delete(keyOf(from));
  }

  /** Best effort, as UDP is. */
  send(data: Uint8Array, to: RemoteAddress): void {
    const socket = to.address.includes(':') ? this.#ipv6 : this.#ipv4;
    if (this.#closing || !socket) return;
    // With a callback an address that cannot be reached is an error of this datagram, not of the port.
    socket.send(data, to.port, to.address, ignore);
  }

  /** Idempotent. Resolves when the sockets are free. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const sockets = this.#ipv6 ? [this.#ipv4, this.#ipv6] : [this.#ipv4];
    await Promise.all(
      sockets.map((socket) => {
        const closed = once(socket, 'close');
        socket.close();
        return closed;
      }),
    );
  }

  /** As {@link UdpPort.#receive}, for what most of it is: media. */
  #receiveIpv4(data: Buffer, ipv4: number, port: number): void {
    if (datagramKind(data) === 'media') {
      for (const holder of this.#holders.get(port) ?? NONE) {
        if (holder.ipv4 !== ipv4) continue;
        holder.user.media(data);
        return;
      }
    }
    this.#receive(data, { address: ipv4Text(ipv4), port });
  }

  #receive(data: Buffer, from: RemoteAddress): void {
    const kind = datagramKind(data);
    if (kind === 'media') {
      const user = this.#holderOf(from);
      if (user) user.media(data);
      else this.strange.media += 1;
    } else if (kind === 'stun') this.#receiveStun(data, withoutZone(from));
    else if (kind === 'dtls') this.#receiveDtls(data, withoutZone(from));
    else this.strange.unknown += 1;
  }

  #receiveStun(data: Buffer, from: RemoteAddress): void {
    const envelope = readStunEnvelope(data);
    const user = envelope?.isRequest ? this.#users.get(envelope.ufrag) : this.#expected.get(envelope?.transactionId ?? '');
    if (user && envelope) user.stun(data, from, envelope);
    else this.strange.stun += 1;
  }

  #receiveDtls(data: Buffer, from: RemoteAddress): void {
    const user = this.#holderOf(from) ?? this.#attended.get(keyOf(from));
    if (user) user.dtls(data, from);
    else this.strange.dtls += 1;
  }

  #holderOf({ address, port }: RemoteAddress): PortUser | undefined {
    const holders = this.#holders.get(port);
    if (!holders) return undefined;
    for (const holder of holders) if (holder.address === address) return holder.user;
    // Link-local addresses carry the interface they came by, and are held without it.
    return address.includes('%') ? this.#holderOf(withoutZone({ address, port })) : undefined;
  }
}

const NONE: readonly Holder[] = [];

const keyOf = ({ address, port }: RemoteAddress): string => `${address} ${port}`;

const ignore = (): void => undefined;

const isCode = (cause: unknown, code: string): boolean => cause instanceof Error && 'code' in cause && cause.code === code;

const withoutZone = ({ address, port }: RemoteAddress): RemoteAddress => ({ address: address.split('%', 1)[0] ?? address, port });

async function bound(type: 'udp4' | 'udp6', port: number, receiveBufferBytes: number): Promise<Socket> {
  const socket = createSocket({ type, ipv6Only: type === 'udp6', recvBufferSize: receiveBufferBytes });
  try {
    socket.bind(port);
    await once(socket, 'listening');
    return socket;
  } catch (cause) {
    socket.close();
    throw cause;
  }
}
