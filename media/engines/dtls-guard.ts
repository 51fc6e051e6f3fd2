import { DTLS_1_2, HandshakeType, readClientHello, readDtlsRecords, readHandshakes, RecordType } from './dtls-records.ts';
import type { DtlsRecord, HandshakeFragment } from './dtls-records.ts';
import { ReplayWindow } from '../srtp/replay-window.ts';

/** The DTLS server behind the guard. */
export interface GuardedDtls {
  /** Monotonic. */
  nowMs(): number;
  /** The handshake is done. */
  isConnected(): boolean;
  /** A datagram of handshake records. */
  handshake(datagram: Buffer): void;
  /** The text of an encrypted record. Throws if it is not authentic. */
  decrypt(record: DtlsRecord): Buffer;
  data(text: Buffer): void;
  /** The other side ends the connection, and it is really it. */
  closed(): void;
}

const CLOSE_NOTIFY = 0;
const FATAL = 2;
/** TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, the only suite that is answered, and the curves for it. */
const CIPHER_SUITE = 0xc02b;
const GROUPS: readonly number[] = [23, 29];
const SRTP_PROFILES: readonly number[] = [0x0001, 0x0007];
const CLIENT_MESSAGES: readonly number[] = [
  HandshakeType.clientHello,
  HandshakeType.certificate,
  HandshakeType.certificateVerify,
  HandshakeType.clientKeyExchange,
];

/** A handshake with every message sent ten times over stays below. */
const MAX_HANDSHAKE_BYTES = 64 * 1024;
const MAX_HANDSHAKE_MESSAGES = 256;
const MAX_CLIENT_HELLOS = 20;
/** A first ClientHello that follows its like sooner was sent again while nobody could look at it, not because the answer was lost. */
const MIN_HELLO_REPEAT_MS = 100;

/**
 * What of the datagrams from a peer's address reaches its DTLS server:
 *
 *     epoch 0, before the handshake is done    messages of a client's handshake; a ClientHello only if it can be answered, the
 *                                              first one (without a cookie) once in 100 ms, and never behind the second;
 *                                              what follows in its order, each once
 *     epoch 0, afterwards                      nothing: an alert, or a handshake that begins anew, may be anybody's
 *     epoch 1, Finished                        always, because it may be sent again
 *     epoch 1, data and alerts                 decrypted here: authentic, each once, alerts only where they end something
 *     anything else                            nothing
 *
 * Handshakes are limited in bytes and messages, so that nobody can make the server remember without end. werift's server
 * takes messages as they come: at a first ClientHello it begins anew, and a message of the client's that comes twice or before another spoils its
 * keys, as when it was too busy to look before the client sent all again. Its client fails at the second answer to a first ClientHello.
 */
export class DtlsGuard {
  readonly #dtls: GuardedDtls;
  readonly #replay = new ReplayWindow(64);
  #handshakeBytes = 0;
  #handshakeMessages = 0;
  #clientHellos = 0;
  /** When each piece of the first ClientHello was passed last, by its offset. */
  readonly #firstHellos = new Map<number, number>();
  /** Of the message that comes next, once a ClientHello had a cookie; and how much of it has come. */
  #nextNumber: number | undefined;
  #nextOffsetBytes = 0;
  /** Records that went no further. */
  refused = 0;

  constructor(dtls: GuardedDtls) {
    this.#dtls = dtls;
  }

  receive(datagram: Buffer): void {
    const passed: Buffer[] = [];
    for (const record of readDtlsRecords(datagram)) {
      if (this.#passes(record)) passed.push(record.bytes);
    }
    if (passed.length > 0) this.#dtls.handshake(passed.length === 1 ? (passed[0] ?? datagram) : Buffer.concat(passed));
  }

  /** Whether the record is for the handshake; what it carries otherwise is handed on from here. */
  #passes(record: DtlsRecord): boolean {
    if (record.epoch === 0) return this.#passesInClear(record);
    return record.epoch === 1 ? this.#passesEncrypted(record) : this.#refuse();
  }

  #passesInClear({ type, version, fragment }: DtlsRecord): boolean {
    if (this.#dtls.isConnected()) return this.#refuse();
    if (type === RecordType.changeCipherSpec) return version === DTLS_1_2 && fragment.length === 1;
    if (type !== RecordType.handshake) return this.#refuse();
    const messages = readHandshakes(fragment);
    if (!messages?.every((message) => this.#isExpected(message, version))) return this.#refuse();
    this.#handshakeBytes += fragment.length;
    this.#handshakeMessages += messages.length;
    const isTooMuch = this.#handshakeBytes > MAX_HANDSHAKE_BYTES || this.#handshakeMessages > MAX_HANDSHAKE_MESSAGES;
    return isTooMuch ? this.#refuse() : true;
  }

  #isExpected(message: HandshakeFragment, recordVersion: number): boolean {
    if (!CLIENT_MESSAGES.includes(message.type)) return false;
    if (message.type !== HandshakeType.clientHello) return recordVersion === DTLS_1_2 && this.#isNext(message);
    this.#clientHellos += 1;
    if (this.#clientHellos > MAX_CLIENT_HELLOS || !isAnswerable(message)) return false;
    if (message.messageNumber === 0) return this.#isFirstHello(message);
    this.#nextNumber ??= message.messageNumber + 1;
    return true;
  }

  #isFirstHello({ offsetBytes }: HandshakeFragment): boolean {
    const nowMs = this.#dtls.nowMs();
    const sinceMs = nowMs - (this.#firstHellos.get(offsetBytes) ?? -Infinity);
    if (this.#nextNumber !== undefined || sinceMs < MIN_HELLO_REPEAT_MS) return false;
    this.#firstHellos.set(offsetBytes, nowMs);
    return true;
  }

  /** What is refused here is sent again. */
  #isNext({ messageNumber, offsetBytes, lengthBytes, body }: HandshakeFragment): boolean {
    if (messageNumber !== this.#nextNumber || offsetBytes !== this.#nextOffsetBytes) return false;
    const isWhole = offsetBytes + body.length === lengthBytes;
    this.#nextOffsetBytes = isWhole ? 0 : offsetBytes + body.length;
    if (isWhole) this.#nextNumber += 1;
    return true;
  }

  #passesEncrypted(record: DtlsRecord): boolean {
    if (record.version !== DTLS_1_2) return this.#refuse();
    if (record.type === RecordType.handshake && !this.#dtls.isConnected()) return this.#countEncrypted(record);
    if (!this.#dtls.isConnected() || !this.#replay.isFresh(record.sequenceNumber)) return this.#refuse();
    let text: Buffer;
    try {
      text = this.#dtls.decrypt(record);
    } catch {
      return this.#refuse();
    }
    // The server decrypts it again; it is rare.
    if (record.type === RecordType.handshake) return text[0] === HandshakeType.finished || this.#refuse();
    this.#replay.add(record.sequenceNumber);
    if (record.type === RecordType.applicationData) this.#dtls.data(text);
    else if (record.type === RecordType.alert && (text[1] === CLOSE_NOTIFY || text[0] === FATAL)) this.#dtls.closed();
    return false;
  }

  #countEncrypted({ fragment }: DtlsRecord): boolean {
    this.#handshakeBytes += fragment.length;
    return this.#handshakeBytes <= MAX_HANDSHAKE_BYTES || this.#refuse();
  }

  #refuse(): false {
    this.refused += 1;
    return false;
  }
}

/**
 * A ClientHello that the server can answer: DTLS 1.2 or newer, with its suite, a curve and, if any, an SRTP profile of ours. Of one that
 * comes in pieces (large key shares do not fit into a datagram) only the version is looked at, in the first.
 */
function isAnswerable({ body, lengthBytes, offsetBytes }: HandshakeFragment): boolean {
  if (offsetBytes > 0) return true;
  if (body.length < 2 || !isModern(body.readUInt16BE(0))) return false;
  if (body.length < lengthBytes) return true;
  const hello = readClientHello(body);
  if (!hello) return false;
  if (!hello.cipherSuites.includes(CIPHER_SUITE) || !hello.groups.some((group) => GROUPS.includes(group))) return false;
  return hello.srtpProfiles.length === 0 || hello.srtpProfiles.some((profile) => SRTP_PROFILES.includes(profile));
}

/** Versions count down from 1.0 = 0xfeff; there was no 1.1, and 1.2 is the least that is spoken here. */
const isModern = (version: number): boolean => version >> 8 === 0xfe && version <= DTLS_1_2;
