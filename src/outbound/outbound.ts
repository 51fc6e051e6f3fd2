import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type BlockList, isIP, type LookupFunction, type Socket } from 'node:net';
import { EarshotError } from '../core/errors.ts';
import { isPublicAddress, networks } from './addresses.ts';

/** All addresses of a name. */
export type ResolveAll = (hostname: string) => Promise<readonly LookupAddress[]>;

export interface OutboundOptions {
  /** Networks that may be reached besides the public internet, as `10.0.0.0/8`. Default none. */
  readonly allowedNetworks?: readonly string[];
  /** Default: the system's resolver. */
  readonly resolve?: ResolveAll;
  /** Longest silence of the other side, before its answer and within it. Default 30 s. */
  readonly idleTimeoutMs?: number;
}

export interface OutboundRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** Redirects to follow, each checked as the first address. Default 0: a redirect is an answer like any other. */
  readonly maxRedirects?: number;
}

export interface OutboundAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** To be read, or discarded; either closes the connection. Rejects with `URL_UNREACHABLE` if it breaks off or falls silent. */
  readonly body: AsyncIterable<Uint8Array>;
  discard(): void;
}

const DEFAULT_IDLE_TIMEOUT_MS = 30_000;

/**
 * The way out to addresses that clients name. Addresses that are neither public nor allowed by the operator are not reached: an address written into the URL is
 * looked at as the URL parser normalizes it, one that DNS gives is looked at before it is connected to and is the one that is connected
 * to, and the far end of the connection is looked at once more before a byte is sent.
 */
export class Outbound {
  readonly #allowed: BlockList;
  readonly #allowsSome: boolean;
  readonly #resolve: ResolveAll;
  readonly #idleTimeoutMs: number;

  constructor(options: OutboundOptions = {}) {
    this.#allowed = networks(options.allowedNetworks ?? []);
    this.#allowsSome = this.#allowed.rules.length > 0;
    this.#resolve = options.resolve ?? resolveBySystem;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS;
  }

  /**
   * Looks at an address as far as that goes without asking anybody; answers what is wrong with it, for people.
   * A name that resolves to a private address is found out only by `request`. `secure`: only https, except to addresses that the operator allowed.
   */
  refusal(address: string, { secure = false }: { readonly secure?: boolean } = {}): string | undefined {
    const url = URL.parse(address);
    if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return 'an absolute http or https address';
    if (url.username !== '' || url.password !== '') return 'an address without user name and password';
    if (address.length > 2048) return 'an address of at most 2048 characters';
    const host = hostOf(url);
    if (secure && url.protocol !== 'https:' && !this.#isAllowed(host)) return 'an https address';
    if (isIP(host) !== 0 && !this.#mayReach(host)) return 'a public address';
    if (!this.#allowsSome && /(^|\.)localhost\.?$/.test(host)) return 'a public address';
    return undefined;
  }

  /**
   * Resolves when the head of the answer has come, whatever its status. Rejects with `URL_NOT_ALLOWED` for an address that may not be
   * reached, `URL_UNREACHABLE` where no connection is had, it breaks or falls silent, and with what the signal says.
   */
  async request(address: string, request: OutboundRequest): Promise<OutboundAnswer> {
    let target = address;
    for (let redirects = 0; ; redirects += 1) {
      const answer = await this.#once(target, request);
      const location = answer.headers.location;
      const isRedirect = [301, 302, 303, 307, 308].includes(answer.statusCode ?? 0) && location !== undefined;
      if (!isRedirect || (request.maxRedirects ?? 0) === 0) return toAnswer(answer, request.signal);
      answer.destroy();
      if (redirects >= (request.maxRedirects ?? 0)) throw new EarshotError('URL_UNREACHABLE', 'The address redirects too often.');
      const next = URL.parse(location, target);
      if (!next) throw new EarshotError('URL_UNREACHABLE', 'The address redirects to what is no address.');
      target = next.href;
    }
  }

  async #once(address: string, request: OutboundRequest): Promise<IncomingMessage> {
    const wrong = this.refusal(address);
    if (wrong !== undefined) throw refused(wrong);
    request.signal.throwIfAborted();
    const url = new URL(address);
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const outgoing = send(url, {
        method: request.method,
        headers: { 'user-agent': 'Earshot', 'accept-encoding': 'identity', ...request.headers },
        // A connection of its own: one from a pool would not be looked at again.
        agent: false,
        lookup: this.#lookup,
        signal: request.signal,
        timeout: this.#idleTimeoutMs,
      });
      outgoing.on('socket', (socket) => {
        this.#checkFarEnd(socket, (error) => outgoing.destroy(error));
      });
      outgoing.on('timeout', () => outgoing.destroy(silent()));
      outgoing.on('error', (error) => {
        reject(explain(error, request.signal));
      });
      outgoing.on('response', resolve);
      outgoing.end(request.body);
    });
  }

  /** Net connects to what this answers, and asks nobody again. */
  readonly #lookup: LookupFunction = (hostname, options, callback) => {
    const wanted = options.family === 4 || options.family === 6 ? options.family : 0;
    this.#resolve(hostname).then(
      (found) => {
        const usable = found.filter(({ family }) => wanted === 0 || family === wanted);
        const [first] = usable;
        // One private address among public ones is a name that plays games.
        if (usable.some(({ address }) => !this.#mayReach(address))) callback(refused('a name of public addresses only'), '', 0);
        else if (!first) callback(new EarshotError('URL_UNREACHABLE', 'The name has no address.'), '', 0);
        else if (options.all === true) callback(null, [...usable]);
        else callback(null, first.address, first.family);
      },
      (cause: unknown) => {
        callback(new EarshotError('URL_UNREACHABLE', 'The name cannot be resolved.', { cause }), '', 0);
      },
    );
  };

  #checkFarEnd(socket: Socket, refuse: (error: Error) => void): void {
    const check = (): void => {
      if (!this.#mayReach(socket.remoteAddress ?? '')) refuse(refused('a public address'));
    };
    if (socket.connecting) socket.once('connect', check);
    else check();
  }

  #mayReach(address: string): boolean {
    return isPublicAddress(address) || this.#isAllowed(address);
  }

  #isAllowed(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#allowed.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

const resolveBySystem: ResolveAll = (hostname) =>
  new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true, order: 'verbatim' }, (error, addresses) => {
      if (error) reject(error);
      else resolve(addresses);
    });
  });

/** The parser has turned every way of writing an IPv4 address into the usual one; IPv6 stands in brackets. */
const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1');

function refused(what: string): EarshotError {
  return new EarshotError('URL_NOT_ALLOWED', `The address is not allowed: ${what} is needed.`);
}

const silent = (): EarshotError => new EarshotError('URL_UNREACHABLE', 'The other side fell silent.');

function explain(error: Error, signal: AbortSignal): Error {
  if (error instanceof EarshotError) return error;
  if (signal.aborted) return signal.reason as Error;
  return new EarshotError('URL_UNREACHABLE', 'The other side cannot be reached, or broke off.', { cause: error });
}

function toAnswer(message: IncomingMessage, signal: AbortSignal): OutboundAnswer {
  message.on('error', () => undefined);
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    discard: () => {
      message.destroy();
    },
    body: {
      async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
        try {
          for await (const chunk of message) yield chunk as Uint8Array;
        } catch (error) {
          throw explain(error as Error, signal);
        } finally {
          message.destroy();
        }
      },
    },
  };
}
