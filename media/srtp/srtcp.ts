import { CounterMode, Gcm } from './ciphers.ts';
import { HmacSha1 } from './hmac-sha1.ts';
import { deriveSessionKeys } from './keys.ts';
import type { MasterKey, SrtpProfile } from './keys.ts';
import { ReplayWindow } from './replay-window.ts';

/**
 *     CM   header (8) | encrypted | E, index (4) | tag (10)       RFC 3711, section 3.4
 *     GCM  header (8) | encrypted | tag (16) | E, index (4)       RFC 7714, section 9
 */
const HEADER_BYTES = 8;
const INDEX_BYTES = 4;
const CM_TAG_BYTES = 10;
const GCM_TAG_BYTES = 16;
const ENCRYPTED = 0x8000_0000;
const MAX_INDEX = 0x7fff_ffff;
const MAX_SENDERS = 1024;

interface Codec {
  /** The packet's text, undefined if it is not authentic. */
  open(packet: Buffer, ssrc: number, word: number): Buffer | undefined;
  seal(text: Buffer, ssrc: number, word: number): Buffer;
}

function codecOf(profile: SrtpProfile, master: MasterKey): Codec {
  const keys = deriveSessionKeys(profile, master, 'rtcp');
  return profile === 'AEAD_AES_128_GCM'
    ? gcmCodec(new Gcm(keys.encryption, keys.salt))
    : counterModeCodec(new CounterMode(keys.encryption, keys.salt), new HmacSha1(keys.authentication));
}

/** Opens one sender's SRTCP packets. Packets that are not encrypted are refused. Pure. */
export class SrtcpReceiver {
  readonly #codec: Codec;
  readonly #indexAt: number;
  readonly #windows = new Map<number, ReplayWindow>();

  constructor(profile: SrtpProfile, master: MasterKey) {
    this.#codec = codecOf(profile, master);
    this.#indexAt = INDEX_BYTES + (profile === 'AEAD_AES_128_GCM' ? 0 : CM_TAG_BYTES);
  }

  /** The compound packet (RFC 3550, section 6.1); undefined if it is malformed, forged or a repetition. */
  open(packet: Buffer): Buffer | undefined {
    if (packet.length < HEADER_BYTES + INDEX_BYTES + CM_TAG_BYTES) return undefined;
    const ssrc = packet.readUInt32BE(4);
    const word = packet.readUInt32BE(packet.length - this.#indexAt);
    const index = word & MAX_INDEX;
    const window = this.#windows.get(ssrc);
    const isKnown = window ? !window.isFresh(index) : this.#windows.size >= MAX_SENDERS;
    if (word >>> 31 === 0 || isKnown) return undefined;
    const text = this.#codec.open(packet, ssrc, word);
    if (!text) return undefined;
    const seen = window ?? new ReplayWindow();
    seen.add(index);
    this.#windows.set(ssrc, seen);
    return text;
  }
}

/** Protects this side's RTCP packets. */
export class SrtcpSender {
  readonly #codec: Codec;
  #index = 0;

  constructor(profile: SrtpProfile, master: MasterKey) {
    this.#codec = codecOf(profile, master);
  }

  /** `compound` is a whole RTCP packet, which begins with its sender's SSRC in bytes 4 to 7. */
  seal(compound: Buffer): Buffer {
    if (this.#index >= MAX_INDEX) throw new RangeError('The key is used up.');
    this.#index += 1;
    return this.#codec.seal(compound, compound.readUInt32BE(4), (ENCRYPTED | this.#index) >>> 0);
  }
}

function counterModeCodec(cipher: CounterMode, hmac: HmacSha1): Codec {
  const apply = (data: Buffer, end: number, ssrc: number, word: number): void => {
    const index = word & MAX_INDEX;
    cipher.apply(data, HEADER_BYTES, end, ssrc, 0, index);
  };
  return {
    open: (packet, ssrc, word) => {
      const tagAt = packet.length - CM_TAG_BYTES;
      if (!hmac.matches80(packet, 0, tagAt, undefined, tagAt)) return undefined;
      const end = tagAt - INDEX_BYTES;
      apply(packet, end, ssrc, word);
      return packet.subarray(0, end);
    },
    seal: (text, ssrc, word) => {
      const sealed = Buffer.concat([text, Buffer.alloc(INDEX_BYTES + CM_TAG_BYTES)]);
      apply(sealed, text.length, ssrc, word);
      sealed.writeUInt32BE(word, text.length);
      hmac.sign80(sealed, 0, text.length + INDEX_BYTES, undefined, text.length + INDEX_BYTES);
      return sealed;
    },
  };
}

function gcmCodec(cipher: Gcm): Codec {
  const associated = (header: Buffer, word: number): Buffer => {
    const data = Buffer.alloc(HEADER_BYTES + INDEX_BYTES);
    header.copy(data, 0, 0, HEADER_BYTES);
    data.writeUInt32BE(word, HEADER_BYTES);
    return data;
  };
  return {
    open: (packet, ssrc, word) => {
      const tagAt = packet.length - INDEX_BYTES - GCM_TAG_BYTES;
      if (tagAt < HEADER_BYTES) return undefined;
      const tag = packet.subarray(tagAt, tagAt + GCM_TAG_BYTES);
      const text = cipher.open(associated(packet, word), packet.subarray(HEADER_BYTES, tagAt), tag, ssrc, 0, word & MAX_INDEX);
      return text && Buffer.concat([packet.subarray(0, HEADER_BYTES), text]);
    },
    seal: (text, ssrc, word) => {
      const sealed = cipher.seal(associated(text, word), text.subarray(HEADER_BYTES), ssrc, 0, word & MAX_INDEX);
      const trailer = Buffer.alloc(INDEX_BYTES);
      trailer.writeUInt32BE(word, 0);
      return Buffer.concat([text.subarray(0, HEADER_BYTES), sealed, trailer]);
    },
  };
}
