import { CipherContext, HashAlgorithm, MediaStreamTrack, NamedCurveAlgorithm, RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, RtpPacket, SignatureAlgorithm, useSdesMid } from 'werift';
import type { IceCandidate } from '../../../src/core/media-engine.ts';
import { OpusEncoder, packetize } from '../../rtp/testing/opus-encoder.ts';
import { sayGoodbye } from '../werift-close.ts';
import { mendClient } from './client-dtls.ts';
import { echoReferenceTimes } from './reference-times.ts';

const PAYLOAD_TYPE = 111;

export type Certificate = Awaited<ReturnType<typeof CipherContext.createSelfSignedCertificateWithKey>>;

export const newCertificate = (): Promise<Certificate> =>
  CipherContext.createSelfSignedCertificateWithKey({ signature: SignatureAlgorithm.ecdsa_3, hash: HashAlgorithm.sha256_4 }, NamedCurveAlgorithm.secp256r1_23);

export interface RtcClientOptions {
  /** Announce the streams with `a=ssrc`. Default true. */
  readonly announceSsrcs?: boolean;
  /** Mark packets with the MID header extension. Default true. */
  readonly sendMid?: boolean;
  /** A DTLS certificate of its own, as every connection of a browser has it; see {@link newCertificate}. Default: werift's, which is one for all. */
  readonly certificate?: Certificate;
  /** Offer a video section and a data channel as well. Default false. */
  readonly alsoVideoAndData?: boolean;
}

/** What a browser does, for tests: publishes audio tracks from this process. */
export class RtcClient {
  readonly connection: RTCPeerConnection;
  readonly candidates: IceCandidate[] = [];
  readonly #options: RtcClientOptions;
  readonly #tracks: MediaStreamTrack[] = [];

  constructor(options: RtcClientOptions = {}) {
    this.#options = options;
    const mid = options.sendMid === false ? [] : [useSdesMid()];
    this.connection = new RTCPeerConnection({
      codecs: {
        audio: [
          new RTCRtpCodecParameters({
            mimeType: 'audio/opus',
            clockRate: 48_000,
            channels: 2,
            payloadType: PAYLOAD_TYPE,
            parameters: 'minptime=10;useinbandfec=1',
          }),
        ],
        video: [new RTCRtpCodecParameters({ mimeType: 'video/VP8', clockRate: 90_000, payloadType: 96 })],
      },
      headerExtensions: { audio: mid, video: [] },
      iceServers: [],
      ...(options.certificate && { dtls: { keys: options.certificate } }),
      iceAdditionalHostAddresses: ['127.0.0.1'],
      bundlePolicy: 'max-bundle',
    });
    this.connection.onIceCandidate.subscribe((candidate) => {
      if (!candidate?.candidate) return;
      const { candidate: text, sdpMid = null, sdpMLineIndex = null } = candidate;
      this.candidates.push({ candidate: text, sdpMid, sdpMLineIndex });
    });
    if (options.alsoVideoAndData) {
      this.connection.addTransceiver('video', { direction: 'sendrecv' });
      this.connection.createDataChannel('control');
    }
  }

  /** Begins a new ICE session with the next offer. */
  restartIce(): void {
    this.connection.restartIce();
  }

  /** The direction of a track as the next offer has it. */
  setDirection(trackIndex: number, direction: 'sendonly' | 'inactive'): void {
    const transceiver = this.connection.getTransceivers().filter(({ kind }) => kind === 'audio')[trackIndex];
    transceiver?.setDirection(direction);
  }

  /** Sends on under another SSRC, as if the sender had been replaced. */
  changeSsrc(trackIndex: number): void {
    const sender = this.connection.getTransceivers().filter(({ kind }) => kind === 'audio')[trackIndex]?.sender;
    if (sender) (sender as unknown as { ssrc: number }).ssrc = (sender.ssrc + 1) >>> 0;
  }

  /** From now on receivers can measure the round trip, as with a browser. When connected. */
  echoReferenceTimes(): void {
    const [transport] = this.connection.dtlsTransports;
    const sender = this.connection.getTransceivers().find(({ kind }) => kind === 'audio')?.sender;
    if (transport && sender) echoReferenceTimes(transport, () => sender.ssrc);
  }

  /** Opens a data channel with the next offer. */
  openChannel(label: string): ReturnType<RTCPeerConnection['createDataChannel']> {
    return this.connection.createDataChannel(label);
  }

  /** Answers the index of the new track. It is published with the next offer. */
  addTrack(): number {
    const track = new MediaStreamTrack({ kind: 'audio' });
    this.connection.addTransceiver(track, { direction: 'sendonly' });
    this.#tracks.push(track);
    return this.#tracks.length - 1;
  }

  /** An offer with all candidates in it, or with none for trickling. */
  async offer(withCandidates = true): Promise<string> {
    // werift would ask a public STUN server when none is configured.
    for (const { iceTransport } of this.connection.dtlsTransports) delete iceTransport.connection.stunServer;
    const bare = await this.connection.createOffer();
    await this.connection.setLocalDescription(bare);
    const sdp = withCandidates ? (this.connection.localDescription?.sdp ?? '') : bare.sdp;
    return this.#options.announceSsrcs === false ? sdp.replaceAll(/^a=ssrc.*\r\n/gm, '') : sdp;
  }

  async accept(answerSdp: string): Promise<void> {
    for (const transport of this.connection.dtlsTransports) if (transport.state === 'new') mendClient(transport);
    await this.connection.setRemoteDescription({ type: 'answer', sdp: answerSdp });
  }

  async connected(): Promise<void> {
    if (this.connection.connectionState === 'connected') return;
    await this.connection.connectionStateChange.watch((state) => state === 'connected');
  }

  /** Resolves when the other side has said that it leaves. */
  async told(): Promise<void> {
    const [transport] = this.connection.dtlsTransports;
    if (transport && transport.state !== 'closed') await transport.onStateChange.watch((state) => state === 'closed');
  }

  /**
   * Sends 48 kHz mono PCM at once, as packets of 20 ms that follow what the track sent before. Packets that were not sent, because nothing
   * was to be heard, have a place in time and no number.
   */
  send(trackIndex: number, pcm: Int16Array, firstPacket = 0, unsentPackets = 0): void {
    const start = { sequenceNumber: firstPacket, timestamp: (firstPacket + unsentPackets) * 960 };
    for (const packet of packetize(pcm, new OpusEncoder({ fec: true }), start)) {
      const header = new RtpHeader({
        payloadType: PAYLOAD_TYPE,
        sequenceNumber: packet.sequenceNumber,
        timestamp: packet.timestamp,
        marker: packet.marker,
      });
      this.#tracks[trackIndex]?.writeRtp(new RtpPacket(header, Buffer.from(packet.payload)));
    }
  }

  /** Leaves as a browser does: the other side is told. */
  async close(): Promise<void> {
    await Promise.all(this.connection.dtlsTransports.map(sayGoodbye));
    await this.connection.close();
  }
}
