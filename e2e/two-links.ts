import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { findBrowser } from './clients/browser.ts';

/** Names of the namespaces, with the process that made them. */
const NAME = /^es(\d+)x\d+$/;

let opened = 0;
/** Two at once get in each other's way. */
let opening: Promise<unknown> = Promise.resolve();

const ip = async (...args: string[]): Promise<string> => (await promisify(execFile)('ip', args)).stdout;

/**
 * A host of its own on this machine, as a network namespace, with two links to this one. Its way goes by the first; when that is taken away, by the second.
 *
 *     browser's host [first.2] ---- [first.1] this machine
 *                   [second.2] ---- [second.1]
 *
 * The networks are of those that RFC 2544 keeps for tests.
 */
export class TwoLinks implements AsyncDisposable {
  /** Of this machine, as long as either link is there. */
  readonly serverAddress: string;
  /** Runs a browser on the other host. */
  readonly browserPath: string;
  readonly #name: string;
  readonly #network: number;
  readonly #folder: string;

  /** Undefined where namespaces may not be made: that takes root, and Debian's iproute2. */
  static open(): Promise<TwoLinks | undefined> {
    const links = opening.then(() => TwoLinks.#open());
    opening = links.catch(() => undefined);
    return links;
  }

  static async #open(): Promise<TwoLinks | undefined> {
    opened += 1;
    await removeLeftovers();
    const links = new TwoLinks(opened, await mkdtemp(path.join(tmpdir(), 'earshot-links-')));
    try {
      await ip('netns', 'add', links.#name);
    } catch {
      await rm(links.#folder, { recursive: true });
      return undefined;
    }
    try {
      await links.#connect();
      return links;
    } catch (error) {
      await links[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(number: number, folder: string) {
    this.#name = `es${String(process.pid)}x${String(number)}`;
    this.#network = freeNetwork(((process.pid + number) % 100) * 2);
    this.#folder = folder;
    this.serverAddress = this.#address(0, 1);
    this.browserPath = path.join(folder, 'browser');
  }

  /** The other host's end of the first link is gone, with its address: what was connected by it hangs. */
  async cutFirst(): Promise<void> {
    const end = `${this.#name}b0`;
    await ip('-n', this.#name, 'address', 'flush', 'dev', end);
    await ip('-n', this.#name, 'link', 'set', end, 'down');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await remove(this.#name);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #connect(): Promise<void> {
    const name = this.#name;
    await ip('-n', name, 'link', 'set', 'lo', 'up');
    for (const link of [0, 1]) {
      const [here, there] = [`${name}a${String(link)}`, `${name}b${String(link)}`];
      await ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', name);
      await ip('address', 'add', `${this.#address(link, 1)}/24`, 'dev', here);
      await ip('link', 'set', here, 'up');
      await ip('-n', name, 'address', 'add', `${this.#address(link, 2)}/24`, 'dev', there);
      await ip('-n', name, 'link', 'set', there, 'up');
      await ip('-n', name, 'route', 'add', 'default', 'via', this.#address(link, 1), 'metric', String(100 * (link + 1)));
    }
    await writeFile(this.browserPath, `#!/bin/sh\nexec ip netns exec ${name} ${findBrowser()} "$@"\n`, { mode: 0o755 });
  }

  #address(link: number, host: number): string {
    return `198.18.${String(this.#network + link)}.${String(host)}`;
  }
}

/** What a process that was killed could not take with it, its browser included. */
async function removeLeftovers(): Promise<void> {
  const listed = await ip('netns', 'list').catch(() => '');
  for (const name of listed.split('\n').map((line) => line.split(' ')[0] ?? '')) {
    const pid = Number(NAME.exec(name)?.[1] ?? 0);
    if (pid === 0 || signal(pid, 0)) continue;
    for (const inside of (await ip('netns', 'pids', name).catch(() => '')).split('\n')) if (inside !== '') signal(Number(inside), 'SIGKILL');
    await remove(name);
  }
}

async function remove(name: string): Promise<void> {
  // They would go with the namespace, but that may be used a little longer.
  for (const link of [0, 1]) await ip('link', 'delete', `${name}a${String(link)}`).catch(() => undefined);
  await ip('netns', 'delete', name).catch(() => undefined);
}

/** False: there is no such process. */
function signal(pid: number, which: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, which);
  } catch {
    return false;
  }
}

/** Nobody else's on this machine, from this one on: two links need two. */
function freeNetwork(first: number): number {
  const taken = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.map(({ address }) => address));
  let network = first;
  while (taken.includes(`198.18.${String(network)}.1`)) network = (network + 2) % 200;
  return network;
}
