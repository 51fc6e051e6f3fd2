/**
 * Brings a machine to the point where Earshot runs: system packages, npm packages (a current Node among them), the built page.
 * Usage: `node setup.mjs run|test|page`; `page` is the last step alone. Every step looks first and says nothing when there is nothing to do.
 * Plain JavaScript for Node 20 without any package: it runs before there are any.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = path.dirname(fileURLToPath(import.meta.url));
const NODE = path.join(ROOT, 'node_modules/node/bin/node');
const MEDIASOUP = path.join(ROOT, 'node_modules/mediasoup');
/** Its time is that of the last try to fetch the worker. `npm ci` takes it away. */
const WORKER_TRIED = path.join(ROOT, 'node_modules/.media-worker-tried');
const WORKER_FETCH_MS = 120_000;
/** Keeps an npm that runs install scripts from building the worker: it is fetched later. */
const NO_WORKER_BUILD = { MEDIASOUP_WORKER_BIN: process.env.MEDIASOUP_WORKER_BIN || 'later' };
const LOWEST_HOST_NODE = 20;
const APT_LOCK_TRIES = 30;
const APT_LOCK_PAUSE_MS = 4000;
const OFFLINE =
  /temporary failure resolving|could not resolve|could not connect|network is unreachable|unable to connect|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/i;

/** Debian packages, and how to find what they bring on a system that is not Debian's: any command, library, file or Python module of the list. */
const SYSTEM_PACKAGES = [
  // The Node that npm brings is linked against it; a bare Debian lacks it.
  { name: 'libatomic1', mode: 'run', library: 'libatomic.so.1' },
  { name: 'libpocketsphinx3', mode: 'run', library: 'libpocketsphinx.so.3' },
  { name: 'pocketsphinx-en-us', mode: 'run', file: '/usr/share/pocketsphinx/model/en-us/en-us.lm.bin' },
  { name: 'ffmpeg', mode: 'run', commands: ['ffmpeg'] },
  { name: 'bzip2', mode: 'run', commands: ['bzip2'] },
  { name: 'libopus0', mode: 'run', library: 'libopus.so.0' },
  { name: 'pocketsphinx', mode: 'test', commands: ['pocketsphinx_batch'] },
  { name: 'chromium', mode: 'test', commands: ['chromium', 'chromium-browser', 'google-chrome'] },
  { name: 'flite', mode: 'test', commands: ['flite'] },
  { name: 'redis-server', mode: 'test', commands: ['redis-server'] },
  { name: 'python3-httpx', mode: 'test', python: 'httpx' },
  { name: 'python3-websockets', mode: 'test', python: 'websockets' },
];

/** A failure for people: the one line that tells what to do. */
class SetupError extends Error {}

/** Holds the output of every command run, made by the first of them. */
const log = { file: undefined };

async function main(mode) {
  if (mode === 'page') {
    buildPage();
    return;
  }
  if (mode !== 'run' && mode !== 'test') throw new SetupError('Usage: node setup.mjs run|test|page');
  checkHostNode();
  await installSystemPackages(mode);
  installNpmPackages();
  ensureNode();
  await ensureMediaWorker();
  buildPage();
}

function checkHostNode() {
  const major = Number.parseInt(process.versions.node, 10);
  if (major >= LOWEST_HOST_NODE) return;
  throw new SetupError(`Node ${process.versions.node} is too old: install Node ${LOWEST_HOST_NODE} or newer (https://nodejs.org), then run this again.`);
}

// ---- system packages

async function installSystemPackages(mode) {
  const missing = missingPackages(mode);
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (findCommand('apt-get') === undefined) {
    throw new SetupError(`Missing on this machine: what Debian calls ${missing.join(', ')}. Install them with your package manager (Debian, Ubuntu: ${command}).`);
  }
  const prefix = rootPrefix();
  if (prefix === undefined) throw new SetupError(`System packages are missing and this is not root: run \`sudo apt-get update && sudo ${command}\`.`);
  say(`Installing system packages: ${missing.join(' ')} (a few minutes)`);
  // Old package lists are good enough for most packages: a failed update alone is no reason to give up.
  await apt(prefix, ['update']);
  const { ok } = await apt(prefix, ['install', '-y', '--no-install-recommends', ...missing]);
  if (!ok) throw failure('system packages', `run \`${[...prefix, command].join(' ')}\` yourself.`);
}

function missingPackages(mode) {
  const wanted = SYSTEM_PACKAGES.filter((item) => mode === 'test' || item.mode === 'run');
  const installed = installedDebianPackages(wanted.map((item) => item.name));
  const unknown = wanted.filter((item) => !installed.has(item.name));
  if (unknown.length === 0) return [];
  const libraries = libraryCache();
  return unknown.filter((item) => !isPresent(item, libraries)).map((item) => item.name);
}

function installedDebianPackages(names) {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\\n', ...names], { encoding: 'utf8' });
  const lines = (stdout ?? '').split('\n').map((line) => line.split(' '));
  return new Set(lines.filter(([, status]) => status === 'installed').map(([name]) => name));
}

function isPresent(item, libraries) {
  if (item.library !== undefined) return libraries.includes(`${item.library} `);
  if (item.file !== undefined) return fs.existsSync(item.file);
  if (item.python !== undefined) return spawnSync('python3', ['-c', `import ${item.python}`], { stdio: 'ignore' }).status === 0;
  return item.commands.some((command) => findCommand(command) !== undefined);
}

function libraryCache() {
  const ldconfig = findCommand('ldconfig') ?? '/sbin/ldconfig';
  return spawnSync(ldconfig, ['-p'], { encoding: 'utf8' }).stdout ?? '';
}

/** What to put before a command to run it as root; undefined where that is not possible without asking for a password. */
function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined;
}

/** `apt-get` waits for dpkg's lock by itself, but not for that of the package lists: a machine that has just started holds it. */
async function apt(prefix, args) {
  const [command, ...rest] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-o', 'DPkg::Lock::Timeout=120', ...args];
  for (let tries = 1; ; tries += 1) {
    const result = run(command, rest);
    if (result.ok || tries === APT_LOCK_TRIES || !/could not get lock/i.test(result.output)) return result;
    if (tries === 1) say('Waiting for another package manager to finish');
    await sleep(APT_LOCK_PAUSE_MS);
  }
}

// ---- npm packages

function installNpmPackages() {
  if (packagesFitTheLock()) return;
  say('Installing npm packages (a minute or so)');
  const { ok } = run('npm', ['ci', '--no-audit', '--no-fund'], { env: { ...hostEnvironment(), ...NO_WORKER_BUILD } });
  if (!ok) throw failure('npm packages', 'see the lines above, then run `npm ci` yourself.');
}

/** True if every package of the lock that this machine must have is installed in the locked version. */
function packagesFitTheLock() {
  const wanted = readJson('package-lock.json')?.packages;
  const installed = readJson('node_modules/.package-lock.json')?.packages;
  if (wanted === undefined) throw new SetupError('package-lock.json is missing or broken: restore it with `git checkout package-lock.json`.');
  if (installed === undefined) return false;
  return Object.entries(wanted).every(
    ([place, entry]) => place === '' || entry.optional || entry.devOptional || installed[place]?.version === entry.version,
  );
}

/** npm holds back the install scripts of packages unless allowed, and the Node package brings its binary by one. */
function ensureNode() {
  if (nodeStarts()) return;
  say('Installing Node for the server');
  const place = path.join(ROOT, 'node_modules/node');
  const { ok } = run(process.execPath, ['installArchSpecificPackage.js'], { cwd: place, env: hostEnvironment() });
  if (!ok) throw failure('the Node binary', 'remove node_modules and run this again.');
  if (nodeStarts()) return;
  throw new SetupError(`${path.relative(ROOT, NODE)} does not start on this machine (${process.platform} ${process.arch}): Earshot needs Linux with glibc 2.28 or newer.`);
}

function nodeStarts() {
  return fs.existsSync(NODE) && spawnSync(NODE, ['--version'], { stdio: 'ignore' }).status === 0;
}

// ---- the media worker

/**
 * mediasoup is optional, and so is its worker, a program of its own that GitHub has: without them the server receives WebRTC by werift.
 * Nothing here may fail or take long; what could not be had is tried again a day later.
 */
async function ensureMediaWorker() {
  if (!fs.existsSync(MEDIASOUP)) installMediasoup();
  const isThere = fs.existsSync(path.join(MEDIASOUP, 'worker/out/Release/mediasoup-worker'));
  if (isThere || process.env.MEDIASOUP_WORKER_BIN || !fs.existsSync(MEDIASOUP) || triedToday()) return;
  const source = process.env.MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL ?? 'https://github.com';
  if (await isReachable(source)) {
    say('Fetching the media worker');
    // With a Python that is none, the script gives up where it would otherwise build for many minutes.
    const env = { ...process.env, PYTHON: 'false' };
    if (run(NODE, ['npm-scripts.mjs', 'postinstall'], { cwd: MEDIASOUP, env, timeoutMs: WORKER_FETCH_MS }).ok) return;
  }
  console.log('setup: No media worker could be had: WebRTC is received by werift instead (docs/operations.md, "The media engine").');
  fs.writeFileSync(WORKER_TRIED, '');
}

/** npm leaves it out when it runs on a Node that is too old for it; the server's own is not. */
function installMediasoup() {
  const folders = [path.dirname(NODE), hostEnvironment().PATH];
  const env = { ...process.env, PATH: folders.join(path.delimiter) };
  run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'], { env });
}

function triedToday() {
  const tried = fs.statSync(WORKER_TRIED, { throwIfNoEntry: false });
  return tried !== undefined && Date.now() - tried.mtimeMs < 24 * 3600 * 1000;
}

async function isReachable(url) {
  try {
    await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(5000) });
    return true;
  } catch {
    return false;
  }
}

// ---- environments

/** Our environment without node_modules/.bin in the path: npm must not run on a Node that it is about to replace. */
function hostEnvironment() {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const kept = folders.filter((folder) => !folder.endsWith(path.join('node_modules', '.bin')));
  return { ...process.env, PATH: kept.join(path.delimiter) };
}

// ---- the page

function buildPage() {
  const stampFile = path.join(ROOT, 'web-demo/dist/.sources');
  const stamp = hashOfPageSources();
  if (fs.existsSync(stampFile) && fs.readFileSync(stampFile, 'utf8') === stamp) return;
  say('Building the page');
  const { ok } = run(NODE, ['node_modules/vite/bin/vite.js', 'build', 'web-demo']);
  if (!ok) throw failure('the page', 'see the lines above; `npm run build:page` repeats this step.');
  fs.writeFileSync(stampFile, stamp);
}

function hashOfPageSources() {
  const hash = createHash('sha256');
  // The page is made of the client library too.
  const files = ['client', 'web-demo'].flatMap((folder) => {
    const names = fs.readdirSync(path.join(ROOT, folder), { recursive: true }).filter((name) => !/^(dist|node_modules)(\/|$)/.test(name));
    return names.map((name) => path.join(ROOT, folder, name)).filter((file) => fs.statSync(file).isFile());
  });
  for (const file of [path.join(ROOT, 'package-lock.json'), ...files.sort()]) {
    hash.update(path.relative(ROOT, file)).update('\0').update(fs.readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

// ---- helpers

function say(line) {
  console.log(`setup: ${line} ...`);
}

/** Runs a command to its end; its output goes to the log and comes back as text. */
function run(command, args, { cwd = ROOT, env = process.env, timeoutMs } = {}) {
  log.file ??= path.join(fs.mkdtempSync(path.join(tmpdir(), 'earshot-setup-')), 'log.txt');
  const descriptor = fs.openSync(log.file, 'a');
  const startBytes = fs.fstatSync(descriptor).size;
  const { status, error } = spawnSync(command, args, { cwd, env, stdio: ['ignore', descriptor, descriptor], timeout: timeoutMs });
  if (error !== undefined) fs.writeSync(descriptor, `${command}: ${error.message}\n`);
  fs.closeSync(descriptor);
  return { ok: status === 0, output: fs.readFileSync(log.file).subarray(startBytes).toString() };
}

/** Shows the end of the log. Advises about the network if any of the commands complained of it. */
function failure(what, advice) {
  const text = fs.readFileSync(log.file, 'utf8');
  console.error(text.trimEnd().split('\n').slice(-15).join('\n'));
  console.error(`setup: the whole log is in ${log.file}`);
  if (OFFLINE.test(text)) return new SetupError(`No network: ${what} could not be fetched. Connect this machine and run this again.`);
  return new SetupError(`Could not set up ${what}: ${advice}`);
}

function removeLog() {
  if (log.file !== undefined) fs.rmSync(path.dirname(log.file), { recursive: true });
}

function readJson(name) {
  try {
    return JSON.parse(fs.readFileSync(path.join(ROOT, name), 'utf8'));
  } catch {
    return undefined;
  }
}

function findCommand(name) {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.map((folder) => path.join(folder, name)).find((file) => fs.existsSync(file));
}

try {
  await main(process.argv[2]);
  removeLog();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`setup: ${error.message}`);
  process.exitCode = 1;
}
