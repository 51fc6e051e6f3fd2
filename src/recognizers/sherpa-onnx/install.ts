import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { systemClock } from '../../core/clock.ts';
import { EarshotError } from '../../core/errors.ts';
import { unpack } from './archive.ts';
import { download, type DownloadOptions } from './download.ts';
import type { ModelManifest } from './manifest.ts';
import { type InstalledModel, type ModelStore, readModelFolder } from './model-store.ts';
import { type Probe, probeModel } from './probe.ts';

export interface InstallOptions {
  /** Name of the model. Default: that of the archive's one folder, or else of the archive. */
  readonly name?: string | undefined;
  /** SHA-256 of the archive in hexadecimal, if it is known. */
  readonly sha256?: string | undefined;
  readonly onProgress?: DownloadOptions['onProgress'];
  /** What is being done, for people. */
  readonly onStep?: (step: 'downloading' | 'unpacking' | 'probing') => void;
}

export interface Installed extends InstalledModel {
  readonly probe: Probe;
}

const ARCHIVE_SUFFIX = /(\.tar\.(bz2|gz)|\.tbz2|\.tgz|\.tar|\.zip)$/i;

/**
 * Installs a model from an archive: an http(s) address or a file. It is unpacked beside its place, recognized and loaded there, and only then
 * given its name, so that no half or broken model is ever found; whatever fails leaves nothing but a download that can be gone on with.
 * Throws `SLUG_CONFLICT` for a name that is taken, `VALIDATION_ERROR` (archive, checksum, name), `MODEL_UNAVAILABLE`,
 * and what {@link download} throws.
 */
export async function installModel(store: ModelStore, source: string, options: InstallOptions = {}): Promise<Installed> {
  const isAddress = /^https?:/i.test(source);
  if (options.name !== undefined) await assertFree(store, options.name);
  await mkdir(store.folder, { recursive: true });
  const archive = isAddress ? join(store.folder, `.download-${createHash('sha256').update(source).digest('hex').slice(0, 16)}`) : resolve(source);
  if (isAddress) {
    options.onStep?.('downloading');
    await download(source, archive, { clock: systemClock, ...(options.onProgress && { onProgress: options.onProgress }) });
  } else {
    await assertFile(archive);
  }
  const unpacked = join(store.folder, `.unpacking-${randomUUID()}`);
  try {
    await verify(archive, options.sha256);
    options.onStep?.('unpacking');
    await mkdir(unpacked);
    await unpack(archive, unpacked);
    const installed = await settle(store, unpacked, nameOf(source), options);
    if (isAddress) await rm(archive, { force: true });
    return installed;
  } catch (error) {
    // A download that is none of ours is fetched anew the next time.
    if (isAddress && error instanceof EarshotError && error.code === 'VALIDATION_ERROR') await rm(archive, { force: true });
    throw error;
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}

/** Recognizes and loads what was unpacked, and gives it its place. */
async function settle(store: ModelStore, unpacked: string, archiveName: string, { name: wished, onStep }: InstallOptions): Promise<Installed> {
  const [only, ...others] = await readdir(unpacked, { withFileTypes: true });
  const isWrapped = only?.isDirectory() === true && others.length === 0;
  const folder = isWrapped ? join(unpacked, only.name) : unpacked;
  const publishedName = isWrapped ? only.name : archiveName;
  const name = wished ?? publishedName;
  await assertFree(store, name);
  if (name !== publishedName) await keepWhatNamesTold(folder, publishedName);
  const { model, problem = '' } = await readModelFolder(folder, name);
  if (!model) throw new EarshotError('MODEL_UNAVAILABLE', problem);
  onStep?.('probing');
  const probe = await probeModel(model, folder);
  const place = store.pathOf(name);
  await rename(folder, place);
  return { name, folder: place, model, probe };
}

/** The names of published models tell what they are. A name of somebody's own does not: it is written down before that is lost. */
async function keepWhatNamesTold(folder: string, publishedName: string): Promise<void> {
  const { model } = await readModelFolder(folder, publishedName);
  if (!model) return;
  const { family, languages } = model;
  const manifest: ModelManifest = { ...model.manifest, family, ...(languages.length > 0 && { languages: [...languages] }) };
  await writeFile(join(folder, 'manifest.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

async function verify(archive: string, sha256: string | undefined): Promise<void> {
  if (sha256 === undefined) return;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(archive)) hash.update(chunk as Uint8Array);
  const found = hash.digest('hex');
  if (found !== sha256.toLowerCase()) throw new EarshotError('VALIDATION_ERROR', `The archive's SHA-256 is ${found}, not ${sha256}.`);
}

async function assertFree(store: ModelStore, name: string): Promise<void> {
  const isTaken = await stat(store.pathOf(name)).then(() => true, () => false);
  if (isTaken) throw new EarshotError('SLUG_CONFLICT', `A model "${name}" is installed already; remove it first.`);
}

async function assertFile(path: string): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new EarshotError('VALIDATION_ERROR', `Cannot read ${path}: ${(cause as Error).message}`, { cause });
  });
  if (!found.isFile()) throw new EarshotError('VALIDATION_ERROR', `${path} is not a file.`);
}

function nameOf(source: string): string {
  const path = /^https?:/i.test(source) ? decodeURIComponent(URL.parse(source)?.pathname ?? '') : source;
  return basename(path).replace(ARCHIVE_SUFFIX, '');
}
