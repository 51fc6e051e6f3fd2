import type { DtlsSocket, RTCDtlsTransport } from 'werift';
import { MASTER_KEY_BYTES, masterSaltBytes } from '../srtp/keys.ts';
import type { MasterKey, SrtpProfile } from '../srtp/keys.ts';
import { DtlsGuard } from './dtls-guard.ts';
import { isProvenClient } from './dtls-proof.ts';
import type { DtlsRecord } from './dtls-records.ts';

/** By their numbers in DTLS (RFC 5764, RFC 7714), the preferred one first. */
const PROFILES: readonly (readonly [number, SrtpProfile])[] = [
  [0x0007, 'AEAD_AES_128_GCM'],
  [0x0001, 'AES_CM_128_HMAC_SHA1_80'],
];

/** Datagrams kept until the DTLS server is there. */
const MAX_EARLY = 8;

export interface SrtpKeys {
  readonly profile: SrtpProfile;
  readonly local: MasterKey;
  readonly remote: MasterKey;
}

/** What of werift's DTLS transport is reached into; it is private there. */
interface TransportInternals {
  srtpProfiles: readonly number[];
  srtpStarted: boolean;
  startSrtp(): void;
  sendRtcp(): Promise<void>;
  verifyRemoteCertificateFingerprint(): void;
}

interface CipherInternals {
  /** It wants an instance of a class that is not exported, and reads only these. */
  decryptPacket(record: { readonly recordLayerHeader: object; readonly fragment: Buffer }): Buffer;
}

/**
 * One DTLS transport of werift's behind a {@link DtlsGuard}, with SRTP taken out of it. What werift leaves out is made up for: it checks
 * that the certificate has the right fingerprint, and here, that the other side has its key.
 */
export class WeriftDtls {
  readonly #transport: RTCDtlsTransport;
  readonly #nowMs: () => number;
  readonly #onKeys: (keys: SrtpKeys) => void;
  readonly #early: Buffer[] = [];
  #guard: DtlsGuard | undefined;

  /** `nowMs`: monotonic. `onKeys` is called once, when the other side has proved who it is. */
  constructor(transport: RTCDtlsTransport, nowMs: () => number, onKeys: (keys: SrtpKeys) => void) {
    this.#transport = transport;
    this.#nowMs = nowMs;
    this.#onKeys = onKeys;
    this.#wrap();
    transport.onStateChange.subscribe((state) => {
      // The server is made right after this is told.
      if (state === 'connecting') queueMicrotask(() => this.#attach());
      if (state === 'connected' && transport.dtls) forgetHandshake(transport.dtls);
    });
  }

  receive(data: Buffer): void {
    if (this.#guard) this.#guard.receive(data);
    else if (this.#early.length < MAX_EARLY) this.#early.push(data);
  }

  #wrap(): void {
    const transport = this.#transport;
    const internals = transport as unknown as TransportInternals;
    internals.srtpProfiles = PROFILES.map(([number]) => number);
    const verifyFingerprint = internals.verifyRemoteCertificateFingerprint.bind(transport);
    internals.verifyRemoteCertificateFingerprint = () => {
      verifyFingerprint();
      if (!transport.dtls || !isProven(transport.dtls)) throw new Error('The other side does not own the key of its certificate.');
    };
    internals.startSrtp = () => {
      internals.srtpStarted = true;
      this.#onKeys(keysOf(transport.dtls));
    };
    // werift has no SRTP to send by; its senders and receivers would go on trying.
    internals.sendRtcp = () => Promise.resolve();
  }

  #attach(): void {
    const { dtls } = this.#transport;
    if (!dtls || this.#guard) return;
    const { socket } = dtls.transport;
    const handshake = socket.onData;
    const guard = new DtlsGuard({
      nowMs: this.#nowMs,
      isConnected: () => dtls.connected,
      handshake: (datagram) => handshake(datagram, ['', 0]),
      decrypt: (record) => decryptRecord(dtls, record),
      data: (text) => dtls.onData.execute(text),
      closed: () => dtls.onClose.execute(),
    });
    this.#guard = guard;
    // By way of a TURN server it comes through werift.
    socket.onData = (data) => guard.receive(data);
    for (const data of this.#early.splice(0)) guard.receive(data);
  }
}

/** The text of an encrypted record. Throws if it is not authentic. */
export function decryptRecord({ cipher }: DtlsSocket, { type, version, epoch, sequenceNumber, fragment }: DtlsRecord): Buffer {
  const protocolVersion = { major: version >> 8, minor: version & 0xff };
  const recordLayerHeader = { contentType: type, protocolVersion, epoch, sequenceNumber, contentLen: fragment.length };
  return (cipher as unknown as CipherInternals).decryptPacket({ recordLayerHeader, fragment });
}

function isProven({ dtls, cipher }: DtlsSocket): boolean {
  const transcript = dtls.sortedHandshakeCache.map((message) => ({
    type: message.msg_type,
    body: message.fragment,
    bytes: message.serialize(),
  }));
  return isProvenClient({ transcript, certificate: cipher.remoteCertificate ?? Buffer.alloc(0), masterSecret: cipher.masterSecret });
}

const NOTHING = Buffer.alloc(0);

/**
 * Lets go of what only the handshake needed: secrets, because they are secrets; the rest, because each part of it keeps the memory alive
 * that Node shares out to small buffers. What goes on being needed moves into memory of its own. Which messages there were stays known:
 * werift asks for that when a Finished comes again.
 */
function forgetHandshake({ dtls, cipher, extensions }: DtlsSocket): void {
  for (const message of dtls.sortedHandshakeCache) message.fragment = NOTHING;
  extensions.length = 0;
  dtls.lastFlight = [];
  dtls.lastMessage = dtls.lastMessage.map(ownMemory);
  Object.assign(cipher, { masterSecret: NOTHING, localKeyPair: undefined, remoteKeyPair: {}, localPrivateKey: undefined, localCert: NOTHING });
  const records = cipher.cipher as unknown as RecordKeys;
  for (const name of RECORD_KEYS) records[name] = ownMemory(records[name]);
}

const RECORD_KEYS = ['clientWriteKey', 'serverWriteKey', 'clientNonce', 'serverNonce'] as const;

type RecordKeys = Record<(typeof RECORD_KEYS)[number], Buffer>;

const ownMemory = (bytes: Buffer): Buffer => Buffer.from(Uint8Array.from(bytes).buffer);

function keysOf(dtls: DtlsSocket | undefined): SrtpKeys {
  const profile = PROFILES.find(([number]) => number === dtls?.srtp.srtpProfile)?.[1];
  // Nobody sends audio without it, but data channels may do.
  if (!dtls || !profile) throw new Error('No SRTP profile was agreed on.');
  const { localKey, localSalt, remoteKey, remoteSalt } = dtls.extractSessionKeys(MASTER_KEY_BYTES, masterSaltBytes(profile));
  return { profile, local: { key: localKey, salt: localSalt }, remote: { key: remoteKey, salt: remoteSalt } };
}
