import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, within } from './eventually.ts';
import { type LogLine, ServerProcess } from './server-process.ts';

/** The native API's base path. */
export const API = '/v1/modules/scaiecho';

export interface ServerOptions {
  /** Further environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further arguments. */
  readonly args?: readonly string[];
  /** Default: a temporary folder that goes with the server. */
  readonly dataDir?: string;
  /** Resolve only once sessions can be taken. Default true. */
  readonly untilReady?: boolean;
}

/**
 * Counts that are zero as soon as nobody is connected any more. `earshot_webrtc_sessions` is not among them: for a minute, an ended
 * session can still be read.
 */
const COUNTS = ['earshot_sessions', 'earshot_webrtc_peers', 'earshot_websockets', 'earshot_recognizer_sessions'] as const;

const START_TIMEOUT_MS = 60_000;
/** The server promises to be gone in 35 s whatever is open. */
const EXIT_TIMEOUT_MS = 45_000;
const SEVERITY_ERROR = 50;
const MAX_SHOWN_STDERR = 4000;

/** A running server on a free port of loopback. */
export class TestServer implements AsyncDisposable {
  readonly url: string;
  readonly apiKey: string;
  readonly #process: ServerProcess;
  readonly #temporaryDir: string | undefined;
  #stopping = false;

  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const temporaryDir = options.dataDir === undefined ? await mkdtemp(path.join(tmpdir(), 'earshot-e2e-')) : undefined;
    const child = new ServerProcess({ PORT: '0', EARSHOT_DATA: options.dataDir ?? temporaryDir ?? '', ...options.env }, options.args);
    try {
      const [, url = '', apiKey = ''] = await eventually(
        'the server prints its address and key',
        () => {
          if (child.hasExited) throw new Error(`the server ended: ${child.stderr}`);
          return /listens on (\S+)[^]*API key\s+(\S+)[^]*-F file=/.exec(child.stdout) ?? undefined;
        },
        { timeoutMs: START_TIMEOUT_MS },
      );
      const server = new TestServer(child, url, apiKey, temporaryDir);
      if (options.untilReady !== false) await server.ready();
      return server;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  private constructor(child: ServerProcess, url: string, apiKey: string, temporaryDir: string | undefined) {
    this.#process = child;
    this.url = url;
    this.apiKey = apiKey;
    this.#temporaryDir = temporaryDir;
    void child.exited.then((exit) => {
      // The tests will only see refused connections.
      if (!this.#stopping) console.error('the server ended by itself:', exit, child.stderr.slice(-MAX_SHOWN_STDERR));
    });
  }

  get process(): ServerProcess {
    return this.#process;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Lines that say something went wrong inside the server. */
  get errorLog(): LogLine[] {
    return this.#process.log.filter(({ level }) => level >= SEVERITY_ERROR);
  }

  /** Address of a WebSocket under the API. */
  socketUrl(route: string): string {
    return `${this.url.replace('http', 'ws')}${API}/${route}`;
  }

  async ready(): Promise<void> {
    await eventually('the server is ready', async () => (await fetch(`${this.url}/readyz`)).ok);
  }

  /** Name and value of every metric. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
  }

  async metric(name: string): Promise<number> {
    const value = (await this.metrics()).get(name);
    assert.ok(value !== undefined, `no metric ${name}`);
    return value;
  }

  /** Resolves once no session, peer, socket, recognizer place or decoder process is taken. */
  async idle(timeoutMs?: number): Promise<void> {
    let counts: Record<string, number | undefined> = {};
    await eventually(
      'everything is given back',
      async () => {
        const metrics = await this.metrics();
        counts = Object.fromEntries(COUNTS.map((name) => [name, metrics.get(name)]));
        counts['decoder processes'] = this.#process.decoderPids.length;
        return Object.values(counts).every((value) => value === 0);
      },
      { seen: () => counts, ...(timeoutMs !== undefined && { timeoutMs }) },
    );
  }

  /** Asks the server to end; rejects if it does not do so in time and with exit code 0. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (!this.#process.hasExited) this.#process.kill('SIGTERM');
    try {
      const exit = await within('the server ends after SIGTERM', this.#process.exited, EXIT_TIMEOUT_MS);
      assert.deepEqual(exit, { code: 0, signal: null }, this.#process.stderr.slice(-MAX_SHOWN_STDERR));
    } finally {
      this.#process.kill('SIGKILL');
      if (this.#temporaryDir !== undefined) await rm(this.#temporaryDir, { recursive: true, force: true });
    }
  }

  /** As a crash or the kernel would: nothing is said or written any more. */
  async kill(): Promise<void> {
    this.#stopping = true;
    this.#process.kill('SIGKILL');
    await this.#process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
