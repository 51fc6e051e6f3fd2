import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import WebSocket from 'ws';
import { eventually, within } from '../eventually.ts';

const COMMANDS = ['firefox-esr', 'firefox'];

/** What of Firefox's settings is not a stranger's: no updates and first-run pages, ICE on loopback, sound without a click. */
const SETTINGS: Readonly<Record<string, boolean | number | string>> = {
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'media.autoplay.blocking_policy': 0,
  'media.autoplay.default': 0,
  'media.gmp-manager.updateEnabled': false,
  'media.navigator.permission.disabled': true,
  'media.peerconnection.ice.loopback': true,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'remote.prefs.recommended': true,
  'toolkit.telemetry.enabled': false,
};

interface Reply {
  readonly id?: number;
  readonly type: 'success' | 'error' | 'event';
  readonly result?: unknown;
  readonly error?: string;
  readonly message?: string;
}

/** Path of Firefox, if it is installed here. */
export function findFirefox(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  return folders.flatMap((folder) => COMMANDS.map((command) => path.join(folder, command))).find((file) => existsSync(file));
}

/** A real Firefox without a window, with one tab. Driven by WebDriver BiDi, which it speaks itself. */
export class Firefox implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #commands = 0;
  #context = '';

  /** Its microphone is the one of the machine: without a sound server it has none, and plays nothing. */
  static async launch(executable: string, env: Readonly<Record<string, string>> = {}): Promise<Firefox> {
    const profile = await mkdtemp(path.join(tmpdir(), 'earshot-firefox-'));
    const settings = Object.entries(SETTINGS).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
    await writeFile(path.join(profile, 'user.js'), settings.join('\n'));
    const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank'];
    const child = spawn(executable, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' } });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-10_000)));
    try {
      const [, address = ''] = await eventually('Firefox listens', () => /WebDriver BiDi listening on (ws:\S+)/.exec(output) ?? undefined, { seen: () => output });
      const socket = new WebSocket(`${address}/session`);
      await within('Firefox answers', new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject)));
      const firefox = new Firefox(child, profile, socket);
      await firefox.#begin();
      return firefox;
    } catch (error) {
      await end(child, profile);
      throw error;
    }
  }

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.on('message', (data: Buffer) => this.#receive(JSON.parse(data.toString()) as Reply));
  }

  async goto(url: string): Promise<void> {
    await this.#ask('browsingContext.navigate', { context: this.#context, url, wait: 'complete' });
  }

  /** Runs an expression in the page and resolves with its value, which goes through JSON. */
  async evaluate<T>(expression: string): Promise<T> {
    const { type, result, exceptionDetails } = (await this.#ask('script.callFunction', {
      functionDeclaration: `async () => JSON.stringify(await (${expression}))`,
      target: { context: this.#context },
      awaitPromise: true,
      userActivation: true,
    })) as { type: string; result?: { value?: string }; exceptionDetails?: { text: string } };
    if (type !== 'success') throw new Error(exceptionDetails?.text ?? 'The page threw.');
    return (result?.value === undefined ? undefined : JSON.parse(result.value)) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    await end(this.#child, this.#profile);
  }

  async #begin(): Promise<void> {
    await this.#ask('session.new', { capabilities: {} });
    const { contexts } = (await this.#ask('browsingContext.getTree', {})) as { contexts: { context: string }[] };
    this.#context = contexts[0]?.context ?? '';
  }

  #ask(method: string, params: object): Promise<unknown> {
    const id = (this.#commands += 1);
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return within(`Firefox does ${method}`, waiting.promise);
  }

  #receive({ id, type, result, error, message }: Reply): void {
    const waiting = this.#waiting.get(id ?? 0);
    this.#waiting.delete(id ?? 0);
    if (type === 'success') waiting?.resolve(result);
    else waiting?.reject(new Error(`${error ?? ''}: ${message ?? ''}`));
  }
}

async function end(child: ChildProcess, profile: string): Promise<void> {
  const ended = new Promise<void>((resolve) => (child.exitCode === null && child.signalCode === null ? child.once('exit', () => resolve()) : resolve()));
  child.kill('SIGKILL');
  await ended;
  await rm(profile, { recursive: true, force: true, maxRetries: 5 });
}
