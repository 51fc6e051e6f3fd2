import { CounterMode, Gcm } from './ciphers.ts';
import { HmacSha1 } from './hmac-sha1.ts';
import { deriveSessionKeys } from './keys.ts';
import type { MasterKey, SrtpProfile } from './keys.ts';
import { ReplayWindow } from './replay-window.ts';
import { rtpHeaderBytes } from './rtp-layout.ts';

/** Streams of one sender that are told apart; further ones are refused, because forgetting one would let it be replayed. */
const MAX_STREAMS = 1024;
const SEQUENCE_NUMBERS = 0x1_0000;
const HALF = 0x8000;
const CM_TAG_BYTES = 10;
const GCM_TAG_BYTES = 16;

/** Payload and its authenticity; undefined if the packet is not authentic. `index` is the packet's, of 48 bits. */
type Open = (packet: Buffer, headerBytes: number, ssrc: number, index: number) => Buffer | undefined;

/** What was refused since the beginning. */
export interface SrtpRefusals {
  /** Too short, not RTP, or of a stream too many. */
  malformed: number;
  /** The tag does not fit: forged, damaged, or under another key. */
  forged: number;
  /** Seen before, or older than the replay window. */
  replayed: number;
}

/** One sender's SRTP packets (RFC 3711, RFC 7714). Pure: no clock, no socket. */
export class SrtpReceiver {
  readonly refused: SrtpRefusals = { malformed: 0, forged: 0, replayed: 0 };
  readonly #open: Open;
  readonly #tagBytes: number;
  readonly #windows = new Map<number, ReplayWindow>();

  constructor(profile: SrtpProfile, master: MasterKey) {
    const keys = deriveSessionKeys(profile, master, 'rtp');
    this.#tagBytes = profile === 'AEAD_AES_128_GCM' ? GCM_TAG_BYTES : CM_TAG_BYTES;
    this.#open =
      profile === 'AEAD_AES_128_GCM'
        ? gcmOpen(new Gcm(keys.encryption, keys.salt))
        : counterModeOpen(new CounterMode(keys.encryption, keys.salt), new HmacSha1(keys.authentication));
  }

  /**
   * The packet's payload with its padding, undefined if the packet is refused. May decrypt within `packet`, which belongs to
   * the callee; its header stays as it is.
   */
  open(packet: Buffer): Buffer | undefined {
    const headerBytes = rtpHeaderBytes(packet);
    if (headerBytes === 0 || packet.length < headerBytes + this.#tagBytes) return this.#refused('malformed');
    const ssrc = packet.readUInt32BE(8);
    const known = this.#windows.get(ssrc);
    if (!known && this.#windows.size >= MAX_STREAMS) return this.#refused('malformed');
    const sequenceNumber = packet.readUInt16BE(2);
    const index = known ? estimateIndex(known.highest, sequenceNumber) : sequenceNumber;
    if (known && !known.isFresh(index)) return this.#refused('replayed');
    const payload = this.#open(packet, headerBytes, ssrc, index);
    if (!payload) return this.#refused('forged');
    this.#windowOf(ssrc, known).add(index);
    return payload;
  }

  #windowOf(ssrc: number, known: ReplayWindow | undefined): ReplayWindow {
    if (known) return known;
    const window = new ReplayWindow();
    this.#windows.set(ssrc, window);
    return window;
  }

  #refused(reason: keyof SrtpRefusals): Buffer | undefined {
    this.refused[reason] += 1;
    return undefined;
  }
}

/** The index nearest to the highest so far that ends in `sequenceNumber` (RFC 3711, section 3.3.1 and appendix A). */
export function estimateIndex(highest: number, sequenceNumber: number): number {
  const rollOver = Math.floor(highest / SEQUENCE_NUMBERS);
  const last = highest % SEQUENCE_NUMBERS;
  let guess = rollOver;
  if (last < HALF) {
    if (sequenceNumber - last > HALF) guess = Math.max(0, rollOver - 1);
  } else if (last - HALF > sequenceNumber) guess = rollOver + 1;
  return guess * SEQUENCE_NUMBERS + sequenceNumber;
}

function counterModeOpen(cipher: CounterMode, hmac: HmacSha1): Open {
  return (packet, headerBytes, ssrc, index) => {
    const end = packet.length - CM_TAG_BYTES;
    const rollOver = Math.floor(index / SEQUENCE_NUMBERS);
    if (!hmac.matches80(packet, 0, end, rollOver, end)) return undefined;
    cipher.apply(packet, headerBytes, end, ssrc, Math.floor(index / 2 ** 32), index | 0);
    return packet.subarray(headerBytes, end);
  };
}

function gcmOpen(cipher: Gcm): Open {
  return (packet, headerBytes, ssrc, index) => cipher.openPacket(packet, headerBytes, ssrc, Math.floor(index / 2 ** 32), index % 2 ** 32);
}
