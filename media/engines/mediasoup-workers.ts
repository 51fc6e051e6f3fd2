import { networkInterfaces } from 'node:os';
import type { types } from 'mediasoup';
import type { Clock } from '../../src/core/clock.ts';
import { EarshotError } from '../../src/core/errors.ts';
import type { ListeningPort } from './local-candidates.ts';
import { WorkerPackets } from './mediasoup-packets.ts';
import { placeFor } from './placement.ts';

/** The part of the package that is used. It is optional, and imported only where an engine is made. */
export interface Mediasoup {
  createWorker(settings: types.WorkerSettings): Promise<types.Worker>;
}

export interface WorkersOptions {
  readonly mediasoup: Mediasoup;
  /** Worker processes; 1 or more. */
  readonly count: number;
  /** UDP and TCP port of the first worker; each further one takes the next. 0: any that are free. */
  readonly port: number;
  readonly clock: Clock;
  readonly warn: (message: string, cause?: unknown) => void;
}

/** One worker process with all that its peers share. */
export interface MediaWorker {
  readonly pid: number;
  readonly router: types.Router;
  readonly server: types.WebRtcServer;
  /** The way of packets to this process. */
  readonly packets: WorkerPackets;
  /** The way of messages on data channels to this process. */
  readonly direct: types.DirectTransport;
  /** Sends nothing: what channels to clients hang on. */
  readonly silence: types.DataProducer;
  /** Where the server waits, of each protocol and family. */
  readonly sockets: readonly ListeningPort[];
  /** Connections on it. */
  readonly links: Set<{ lost(): void }>;
}

interface Place {
  readonly index: number;
  ready: Promise<MediaWorker> | undefined;
  /** Set once `ready` has resolved, until the worker dies. */
  worker: MediaWorker | undefined;
  process: types.Worker | undefined;
  pauseMs: number;
  cancelRestart: () => void;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** A worker that has lived so long is healthy: the next death is answered at once. */
const HEALTHY_AFTER_MS = 60_000;
/** A peer waits this long for a worker to be replaced. */
const PLACE_DEADLINE_MS = 5000;
const RETRY_AFTER_SECONDS = 5;
/** Connections of a worker that is full: a sixth of a core. */
const FULL = 250;
/** Room in the kernel for packets that wait for the worker. It is what the kernel allows if that is less. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/** Codecs of every router. */
export const OPUS = { mimeType: 'audio/opus', clockRate: 48_000, channels: 2 } as const;
/** Stands for RED, which mediasoup does not know: a codec that it passes on and no browser offers. */
export const REDUNDANT = { mimeType: 'audio/multiopus', clockRate: 48_000, channels: 4, parameters: { channel_mapping: '0,1,2,3', num_streams: 2, coupled_streams: 2 } } as const;

/**
 * The worker processes: started together, each replaced when it dies, after a pause that doubles up to 30 s while its
 * successors die young. A dying worker tells its connections; what they do about it is theirs.
 */
export class MediaWorkers {
  readonly #options: WorkersOptions;
  readonly #places: Place[];
  readonly #waiting = new Set<() => void>();
  #closed = false;

  private constructor(options: WorkersOptions) {
    this.#options = options;
    this.#places = Array.from({ length: options.count }, (_, index) => ({
      index,
      ready: undefined,
      worker: undefined,
      process: undefined,
      pauseMs: FIRST_PAUSE_MS,
      cancelRestart: () => undefined,
    }));
  }

  /**
   * Resolves when all are ready. Else rejects and leaves nothing behind: with `BACKEND_UNAVAILABLE` if a process cannot be started, with what
   * it says if it started and cannot listen.
   */
  static async start(options: WorkersOptions): Promise<MediaWorkers> {
    const workers = new MediaWorkers(options);
    const started = await Promise.allSettled(workers.#places.map((place) => workers.#start(place)));
    const failed = started.find((outcome) => outcome.status === 'rejected');
    if (!failed) return workers;
    await workers.close();
    throw failed.reason;
  }

  /** Processes that are running now. */
  get alive(): readonly MediaWorker[] {
    return this.#places.flatMap(({ worker }) => worker ?? []);
  }

  /** A worker for the next connection ({@link placeFor}); one that is being started is waited for. Rejects with `CAPACITY_EXCEEDED` if there is none for 5 s. */
  async place(): Promise<MediaWorker> {
    if (this.alive.length === 0 && !this.#closed) await this.#nextOne();
    const worker = placeFor(this.alive, ({ links }) => links.size, FULL);
    if (worker) return worker;
    throw new EarshotError('CAPACITY_EXCEEDED', 'The media worker is being replaced.', { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }

  /** Ends the processes. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await Promise.all(
      this.#places.map(async (place) => {
        place.cancelRestart();
        await place.ready?.catch(() => undefined);
        place.worker = undefined;
        const { process: child } = place;
        if (!child || child.subprocessClosed) return;
        const closed = new Promise<void>((resolve) => child.once('subprocessclose', resolve));
        child.close();
        await closed;
      }),
    );
  }

  async #start(place: Place): Promise<void> {
    place.ready = this.#launch(place);
    const worker = await place.ready;
    place.worker = worker;
    this.#wake();
  }

  async #launch(place: Place): Promise<MediaWorker> {
    const { mediasoup, port, clock, warn } = this.#options;
    const child = await withoutSignalHandlers(() => mediasoup.createWorker({ logLevel: 'error' })).catch((cause: unknown) => {
      throw new EarshotError('BACKEND_UNAVAILABLE', 'The worker of mediasoup is not installed, or does not start.', { cause });
    });
    const bornMs = clock.nowMs();
    place.process = child;
    child.once('died', (error) => {
      if (clock.nowMs() - bornMs > HEALTHY_AFTER_MS) place.pauseMs = FIRST_PAUSE_MS;
      this.#onDeath(place, error);
    });
    const router = await child.createRouter({ mediaCodecs: [
        { kind: 'audio', ...OPUS },
        { kind: 'audio', ...REDUNDANT },
      ],
    });
    const [server, direct, packets] = await Promise.all([createServer(child, port === 0 ? 0 : port + place.index), router.createDirectTransport(), WorkerPackets.open(router, warn)]);
    const silence = await direct.produceData({ label: '', protocol: '' });
    const { udpSockets, tcpServers } = await server.dump();
    const socketsOf = (protocol: 'udp' | 'tcp', bound: readonly { ip: string; port: number }[]): ListeningPort[] =>
      bound.map((each) => ({ protocol, family: each.ip.includes(':') ? 6 : 4, port: each.port }));
    return { pid: child.pid, router, server, packets, direct, silence, sockets: [...socketsOf('udp', udpSockets), ...socketsOf('tcp', tcpServers)], links: new Set() };
  }

  #onDeath(place: Place, cause: Error): void {
    const { worker } = place;
    place.worker = undefined;
    if (this.#closed) return;
    this.#options.warn('A media worker ended and is replaced.', cause);
    this.#restart(place);
    for (const link of [...(worker?.links ?? [])]) link.lost();
  }

  #restart(place: Place): void {
    const { pauseMs } = place;
    place.pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    place.cancelRestart = this.#options.clock.setTimer(pauseMs, () => {
      this.#start(place).catch((cause: unknown) => {
        if (this.#closed) return;
        this.#options.warn('A media worker cannot be started.', cause);
        // One that started and then failed has told of its death already.
        if (place.process?.died !== true) this.#restart(place);
      });
    });
  }

  /** Resolves when a worker has started, or has not in time. */
  async #nextOne(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const cancel = this.#options.clock.setTimer(PLACE_DEADLINE_MS, resolve);
    await promise;
    cancel();
    this.#waiting.delete(resolve);
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** The package would close its workers at the first SIGTERM. Here sessions are heard out first, and the engine closed after them. */
function withoutSignalHandlers<T>(make: () => T): T {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const before = signals.map((signal) => process.listeners(signal));
  const made = make();
  signals.forEach((signal, i) => {
    for (const listener of process.listeners(signal)) if (before[i]?.includes(listener) !== true) process.removeListener(signal, listener);
  });
  return made;
}

/** One port for all: UDP and TCP, IPv4 and, where the machine has it, IPv6. Port 0: UDP and TCP of both families have free ones. */
async function createServer(worker: types.Worker, port: number): Promise<types.WebRtcServer> {
  const hasIpv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ family }) => family === 'IPv6') ?? false);
  const listenInfos = (['udp', 'tcp'] as const).flatMap((protocol) => [
    { protocol, ip: '0.0.0.0', recvBufferSize: RECEIVE_BUFFER_BYTES, ...(port !== 0 && { port }) },
    ...(hasIpv6 ? [{ protocol, ip: '::', recvBufferSize: RECEIVE_BUFFER_BYTES, ...(port !== 0 && { port }), flags: { ipv6Only: true } }] : []),
  ]);
  return worker.createWebRtcServer({ listenInfos }).catch((cause: unknown) => {
    throw new Error(`WebRTC cannot listen on UDP and TCP port ${String(port)}: is it taken? (EARSHOT_MEDIA_PORT)`, { cause });
  });
}
