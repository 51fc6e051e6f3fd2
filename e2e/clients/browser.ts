import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';

const ROOT = path.resolve(import.meta.dirname, '../..');
const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome'];

export interface BrowserOptions {
  /** A program that runs the browser with the arguments that it is given. Default: the browser itself. */
  readonly executablePath?: string;
  /** Further arguments. */
  readonly args?: readonly string[];
}

let pageBuilt: Promise<unknown> | undefined;

/**
 * A real browser in which everything said into the microphone is the recording, from the moment the microphone is opened. The page that a server has for it
 * is that of these sources, however the test was started.
 */
export async function launchBrowser(recording: string, { executablePath = findBrowser(), args = [] }: BrowserOptions = {}): Promise<Browser> {
  await (pageBuilt ??= promisify(execFile)(process.execPath, ['setup.mjs', 'page'], { cwd: ROOT }));
  return chromium.launch({
    executablePath,
    args: [
      ...args,
      '--no-sandbox',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-dev-shm-usage',
      '--autoplay-policy=no-user-gesture-required',
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-audio-capture=${recording}%noloop`,
      // A machine without a network offers no other address.
      '--allow-loopback-in-peer-connection',
    ],
  });
}

export function findBrowser(): string {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  const found = folders.flatMap((folder) => COMMANDS.map((command) => path.join(folder, command))).find(isExecutable);
  if (found === undefined) throw new Error('Chromium is missing: run `npm test`, which installs it');
  return found;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What went wrong inside the page: exceptions, errors on its console, what its security policy stopped. */
export function watchFaults(page: Page): readonly string[] {
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  return faults;
}
