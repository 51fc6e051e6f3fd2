import type { RTCDtlsTransport } from 'werift';
import { SrtcpReceiver, SrtcpSender } from '../srtp/srtcp.ts';
import { SrtpReceiver } from '../srtp/srtp.ts';
import { PacketRate } from './packet-rate.ts';
import { isRtcp } from './stun.ts';
import type { UdpPort } from './udp-port.ts';
import { WeriftDtls } from './werift-dtls.ts';
import type { SrtpKeys } from './werift-dtls.ts';
import { WeriftIce } from './werift-ice.ts';

export interface WireHandlers {
  /** An authentic packet, its first time: as it came, with the payload in it or decrypted beside it, padding included. */
  rtp(packet: Buffer, payload: Buffer, nowMs: number): void;
  /** An authentic compound packet (RFC 3550, section 6.1), decrypted. */
  rtcp(compound: Buffer, nowMs: number): void;
}

export interface WireOptions {
  readonly nowMs: () => number;
  /** Datagrams of media taken in a second; the rest of the second goes by without them. */
  readonly maxPacketsPerSecond: number;
  readonly handlers: WireHandlers;
}

interface Srtp {
  readonly rtp: SrtpReceiver;
  readonly rtcp: SrtcpReceiver;
  readonly sender: SrtcpSender;
}

/**
 * The media path of one DTLS transport of werift's: on the shared port, past werift.
 *
 *     UdpPort --STUN--> WeriftIce ---> werift's ICE        (authenticated; places proved)
 *             --DTLS--> WeriftIce ---> DtlsGuard ---> werift's DTLS ---> SRTP keys
 *             --media-------------------------------> SrtpReceiver ---> `handlers`
 */
export class WeriftWire {
  readonly #transport: RTCDtlsTransport;
  readonly #options: WireOptions;
  readonly #ice: WeriftIce;
  #srtp: Srtp | undefined;
  readonly #rate: PacketRate;

  /** Before the transport gathers candidates. */
  constructor(transport: RTCDtlsTransport, port: UdpPort, options: WireOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#rate = new PacketRate(options.maxPacketsPerSecond);
    const dtls = new WeriftDtls(transport, options.nowMs, (keys) => (this.#srtp = srtpOf(keys)));
    const { connection } = transport.iceTransport;
    this.#ice = new WeriftIce(connection, port, {
      dtls: (data) => dtls.receive(data),
      media: (data) => this.#receive(data),
    });
    // By way of a TURN server media comes through werift.
    connection.onData.subscribe((data) => {
      if ((data[0] ?? 0) >> 6 === 2) this.#receive(data);
    });
  }

  /** Protects and sends a compound packet. Best effort; nothing happens before there are keys. */
  sendRtcp(compound: Uint8Array): void {
    if (!this.#srtp) return;
    // It fails when the way is gone, which is told elsewhere.
    this.#transport.iceTransport.connection.send(this.#srtp.sender.seal(Buffer.from(compound))).catch(() => undefined);
  }

  /** Nothing is received any more. Idempotent. */
  close(): void {
    this.#ice.close();
    this.#srtp = undefined;
  }

  #receive(data: Buffer): void {
    const srtp = this.#srtp;
    const nowMs = this.#options.nowMs();
    if (!srtp || !this.#rate.allows(nowMs)) return;
    if (isRtcp(data)) {
      const compound = srtp.rtcp.open(data);
      if (compound) this.#options.handlers.rtcp(compound, nowMs);
      return;
    }
    const payload = srtp.rtp.open(data);
    if (payload) this.#options.handlers.rtp(data, payload, nowMs);
  }
}

const srtpOf = ({ profile, local, remote }: SrtpKeys): Srtp => ({
  rtp: new SrtpReceiver(profile, remote),
  rtcp: new SrtcpReceiver(profile, remote),
  sender: new SrtcpSender(profile, local),
});
