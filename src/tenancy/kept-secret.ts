import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * A secret kept as a line of a file that only its owner can read; made by `make` where there is none. Of several processes that start at
 * once, one makes it and all get the same. A file that a crash left empty counts as none.
 */
export function keptSecret(path: string, make: () => string): string {
  const kept = readIfThere(path);
  if (kept !== '') return kept;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // Whole before it has its name, and never in place of another.
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, `${make()}\n`, { mode: 0o600, flush: true });
  try {
    removeIfEmpty(path);
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  return readIfThere(path);
}

function removeIfEmpty(path: string): void {
  if (readIfThere(path) === '') rmSync(path, { force: true });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
