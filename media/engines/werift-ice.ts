import { randomBytes } from 'node:crypto';
import { Candidate, candidateFoundation, candidatePriority, parseMessage, serverReflexiveCandidate, StunProtocol } from 'werift';
import type { RTCDtlsTransport, UdpTransport } from 'werift';
import type { StunEnvelope } from './stun.ts';
import type { PortUser, RemoteAddress, UdpPort } from './udp-port.ts';

export interface WeriftIceHandlers {
  /** A datagram of DTLS from an address where the other side has proved to be. */
  dtls(data: Buffer): void;
  /** The same of RTP or RTCP. */
  media(data: Buffer): void;
}

type IceConnection = RTCDtlsTransport['iceTransport']['connection'];

/** What of werift's ICE agent is reached into; it is private there. */
interface ConnectionInternals {
  localUsername: string;
  localPassword: string;
  readonly userHistory: Record<string, string>;
  readonly generation: number;
  readonly protocols: StunProtocol[];
  restart(): Promise<void>;
  close(): Promise<void>;
  ensureProtocol(protocol: StunProtocol): void;
  appendLocalCandidate(candidate: Candidate): void;
  pairLocalProtocol(protocol: StunProtocol): void;
  getCandidatePromises(addresses: readonly string[], timeoutSeconds?: number): Promise<Candidate | undefined>[];
}

interface ProtocolInternals {
  datagramReceived(data: Buffer, from: readonly [string, number]): void;
}

interface Place {
  readonly from: RemoteAddress;
  /** An authentic request came from there: its sender has read our answer. */
  hasAsked: boolean;
  /** An authentic response came from there: what is sent there arrives. It alone may be about another session of the same offer. */
  hasAnswered: boolean;
  /** DTLS that came before that. */
  readonly early: Buffer[];
}

/** Places from which one peer may send; more are not answered. A browser has one for each of its interfaces. */
const MAX_PLACES = 32;
/** Datagrams of DTLS kept of a place that has yet to prove itself: a ClientHello is one, or two with a large key share. */
const MAX_EARLY = 4;
/**
 * Times a request for consent (RFC 7675) is sent again, the last 1.5 s after the first. werift sends one in 5 s and no other, and gives up after 30 s without an answer:
 * where 30 % are lost each way that is one connection in some ten minutes.
 */
const CONSENT_REPEATS = 2;
const UFRAG_BYTES = 8;
const PASSWORD_BYTES = 16;

/**
 * One ICE agent of werift's on the shared port instead of on sockets of its own. werift keeps the protocol: checks, nomination,
 * consent. Here is what it leaves out: every binding request is authenticated, its sender must be reachable where it
 * seems to be before anything else is taken from there, and user names are long enough to be told apart on one port.
 */
export class WeriftIce implements PortUser {
  readonly #connection: IceConnection;
  readonly #internals: ConnectionInternals;
  readonly #port: UdpPort;
  readonly #handlers: WeriftIceHandlers;
  readonly #protocols = new Map<4 | 6, StunProtocol>();
  readonly #places = new Map<string, Place>();
  readonly #ufrags: string[] = [];
  /** Transactions without an answer. Those of an agent that is closed never settle. */
  readonly #asked = new Set<string>();
  #closed = false;

  constructor(connection: IceConnection, port: UdpPort, handlers: WeriftIceHandlers) {
    this.#connection = connection;
    this.#internals = connection as unknown as ConnectionInternals;
    this.#port = port;
    this.#handlers = handlers;
    this.#wrap();
    this.#renewCredentials();
  }

  stun(data: Buffer, from: RemoteAddress, { isRequest, ufrag }: StunEnvelope): void {
    const protocol = this.#protocols.get(familyOf(from.address));
    if (!protocol) return;
    if (!isRequest) {
      // werift checks who answers, and the digest.
      (protocol as unknown as ProtocolInternals).datagramReceived(data, [from.address, from.port]);
      return;
    }
    const password = this.#internals.userHistory[ufrag];
    const message = password === undefined ? undefined : parseMessage(data, Buffer.from(password));
    if (!message || !this.#note(from, 'hasAsked')) return;
    protocol.onRequestReceived.execute(message, [from.address, from.port], data);
  }

  dtls(data: Buffer, from: RemoteAddress): void {
    const place = this.#places.get(keyOf(from));
    if (place && isProven(place)) this.#handlers.dtls(data);
    else if (place && place.early.length < MAX_EARLY) place.early.push(data);
  }

  media(data: Buffer): void {
    this.#handlers.media(data);
  }

  /** Takes its hands off the port. Idempotent; werift's agent is not closed by it. */
  close(): void {
    this.#closed = true;
    for (const ufrag of this.#ufrags) this.#port.unregister(ufrag);
    for (const transactionId of this.#asked) this.#port.forget(transactionId);
    this.#asked.clear();
    for (const { from } of this.#places.values()) this.#port.leave(from, this);
    this.#places.clear();
  }

  #wrap(): void {
    const internals = this.#internals;
    const restart = internals.restart.bind(this.#connection);
    const close = internals.close.bind(this.#connection);
    const getCandidatePromises = internals.getCandidatePromises.bind(this.#connection);
    internals.restart = async () => {
      // It does all at once before it first waits, and what is called next relies on that.
      const restarted = restart();
      this.#renewCredentials();
      await restarted;
    };
    internals.close = async () => {
      this.close();
      await close();
    };
    internals.getCandidatePromises = (addresses, timeoutSeconds) => {
      this.#addHosts(addresses);
      return [this.#addReflexive(timeoutSeconds), ...getCandidatePromises([], timeoutSeconds)];
    };
  }

  /** 64 and 128 bits, where RFC 8445, section 5.3, asks for 24 and 128. */
  #renewCredentials(): void {
    const ufrag = randomBytes(UFRAG_BYTES).toString('hex');
    this.#internals.localUsername = ufrag;
    this.#internals.localPassword = randomBytes(PASSWORD_BYTES).toString('hex');
    this.#internals.userHistory[ufrag] = this.#internals.localPassword;
    if (this.#closed) return;
    this.#ufrags.push(ufrag);
    this.#port.register(ufrag, this);
  }

  /** One local candidate per family is werift's to check from; the others are the same socket under other names. */
  #addHosts(addresses: readonly string[]): void {
    for (const address of addresses) {
      const family = familyOf(address);
      if (family === 6 && !this.#port.hasIpv6) continue;
      const candidate = this.#hostCandidate(address);
      const protocol = this.#protocols.get(family);
      if (!protocol) this.#addProtocol(family, candidate);
      if (protocol?.localCandidate?.host !== address) this.#internals.appendLocalCandidate(candidate);
    }
  }

  #hostCandidate(address: string): Candidate {
    const foundation = candidateFoundation('host', 'udp', address);
    const priority = candidatePriority('host', { transport: 'udp' });
    const { generation, localUsername } = this.#internals;
    return new Candidate(foundation, 1, 'udp', priority, address, this.#port.port, 'host', undefined, undefined, undefined, generation, localUsername);
  }

  #addProtocol(family: 4 | 6, candidate: Candidate): void {
    const protocol = new StunProtocol();
    protocol.transport = this.#transportOf(family) as unknown as UdpTransport;
    protocol.localIp = candidate.host;
    protocol.localCandidate = candidate;
    const request = protocol.request.bind(protocol);
    protocol.request = async (message, address, integrityKey, options, onRequestSent) => {
      const { transactionIdHex } = message;
      if (!this.#closed) {
        this.#asked.add(transactionIdHex);
        this.#port.expect(transactionIdHex, this);
      }
      try {
        const answered = await request(message, address, integrityKey, repeatingConsent(options), onRequestSent);
        if (integrityKey) this.#note({ address: answered[1][0], port: answered[1][1] }, 'hasAnswered');
        return answered;
      } finally {
        this.#asked.delete(transactionIdHex);
        this.#port.forget(transactionIdHex);
      }
    };
    this.#protocols.set(family, protocol);
    this.#internals.ensureProtocol(protocol);
    this.#internals.protocols.push(protocol);
    this.#internals.pairLocalProtocol(protocol);
  }

  #transportOf(family: 4 | 6): Pick<UdpTransport, 'send' | 'close' | 'closed' | 'address' | 'addressFamily'> {
    const port = this.#port;
    const transport = {
      send: (data: Buffer, [address, to]: readonly [string, number]): Promise<void> => {
        port.send(data, { address, port: to });
        return Promise.resolve();
      },
      close: () => {
        transport.closed = true;
        return Promise.resolve();
      },
      closed: false,
      address: { address: family === 4 ? '0.0.0.0' : '::', port: port.port, family: `IPv${family}` },
      addressFamily: family,
    };
    return transport as unknown as UdpTransport;
  }

  async #addReflexive(timeoutSeconds = 5): Promise<Candidate | undefined> {
    const protocol = this.#protocols.get(4);
    const server = this.#connection.stunServer;
    if (!server || !protocol) return undefined;
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), timeoutSeconds * 1000);
    const late = new Promise<undefined>((resolve) => deadline.signal.addEventListener('abort', () => resolve(undefined)));
    try {
      const candidate = await Promise.race([serverReflexiveCandidate(protocol, server), late]);
      if (candidate && !this.#closed) this.#internals.appendLocalCandidate(candidate);
      return candidate;
    } catch {
      // No such server, or no answer: the other candidates have to do.
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Notes what authentic message came from where. False: too many places, or all is over. */
  #note(from: RemoteAddress, what: 'hasAsked' | 'hasAnswered'): boolean {
    if (this.#closed) return false;
    const place = this.#placeOf(from);
    if (!place) return false;
    const wasProven = isProven(place);
    if (what === 'hasAsked' && !place.hasAsked) this.#port.attend(from, this);
    place[what] = true;
    if (wasProven || !isProven(place)) return true;
    this.#port.hold(from, this);
    for (const data of place.early.splice(0)) this.#handlers.dtls(data);
    return true;
  }

  #placeOf(from: RemoteAddress): Place | undefined {
    const key = keyOf(from);
    const known = this.#places.get(key);
    if (known || this.#places.size >= MAX_PLACES) return known;
    const place: Place = { from, hasAsked: false, hasAnswered: false, early: [] };
    this.#places.set(key, place);
    return place;
  }
}

type RequestOptions = Parameters<StunProtocol['request']>[3];

/** Only consent is asked for without retransmissions. */
const repeatingConsent = (options: RequestOptions): RequestOptions =>
  typeof options === 'object' && options.retransmissions === 0 ? { ...options, retransmissions: CONSENT_REPEATS } : options;

const isProven = ({ hasAsked, hasAnswered }: Place): boolean => hasAsked && hasAnswered;

const familyOf = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4);

const keyOf = ({ address, port }: RemoteAddress): string => `${address} ${port}`;
