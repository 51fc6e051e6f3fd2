import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EarshotError } from '../../core/errors.ts';
import { type ModelManifest, parseManifest } from './manifest.ts';
import { describeModel, type ModelDescription } from './model-folder.ts';

/** A folder among the installed models. */
export interface InstalledModel {
  readonly name: string;
  /** Absolute path. */
  readonly folder: string;
  /** What it is; absent where it is not recognized. */
  readonly model?: ModelDescription;
  /** Why it is not. */
  readonly problem?: string;
}

/** Names of models are names of folders: nothing that leads out of theirs, nothing hidden. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const MAX_DEPTH = 4;
const MAX_FILES = 2000;

/** The installed models: the folders in one folder. Folders that begin with a dot are being unpacked, and are none. */
export class ModelStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async list(): Promise<InstalledModel[]> {
    const entries = await readdir(this.folder, { withFileTypes: true }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    });
    const names = entries.filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && NAME.test(entry.name)).map((entry) => entry.name);
    return Promise.all(names.sort().map((name) => readModelFolder(join(this.folder, name), name)));
  }

  /** Throws `MODEL_NOT_FOUND`. */
  async find(name: string): Promise<InstalledModel> {
    const found = NAME.test(name) ? await stat(this.pathOf(name)).catch(() => undefined) : undefined;
    if (!found?.isDirectory()) throw new EarshotError('MODEL_NOT_FOUND', `No model "${name}" is installed in ${this.folder}.`);
    return readModelFolder(this.pathOf(name), name);
  }

  /** Throws `MODEL_NOT_FOUND`. */
  async remove(name: string): Promise<void> {
    const { folder } = await this.find(name);
    await rm(folder, { recursive: true });
  }

  /** Where a model of that name is, or would be. Throws `VALIDATION_ERROR` for what is no name. */
  pathOf(name: string): string {
    if (!NAME.test(name)) {
      throw new EarshotError('VALIDATION_ERROR', `"${name}" is no name for a model: letters, digits, dots, hyphens and underscores, at most 128.`);
    }
    return join(this.folder, name);
  }
}

/** What the folder holds. Only faults of the disk are thrown. */
export async function readModelFolder(folder: string, name: string): Promise<InstalledModel> {
  try {
    const paths = await filesIn(folder);
    return { name, folder, model: describeModel(name, paths, await manifestOf(folder)) };
  } catch (error) {
    if (!(error instanceof EarshotError)) throw error;
    return { name, folder, problem: error.message };
  }
}

async function manifestOf(folder: string): Promise<ModelManifest> {
  const json = await readFile(join(folder, 'manifest.json'), 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '{}';
    throw error;
  });
  return parseManifest(json);
}

/** Paths of all files, relative to the folder. */
async function filesIn(folder: string, below = '', depth = 1): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory() && depth < MAX_DEPTH) paths.push(...(await filesIn(folder, path, depth + 1)));
    else if (!entry.isDirectory()) paths.push(path);
    if (paths.length > MAX_FILES) throw new EarshotError('MODEL_UNAVAILABLE', `${folder} holds more files than a model has.`);
  }
  return paths;
}
