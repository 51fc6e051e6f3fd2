import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** By test file: `vendor<TAB>feature` of what its tests have shown, sorted. Files without any are absent. */
export type Proofs = Readonly<Record<string, readonly string[]>>;

const ROOT = path.resolve(import.meta.dirname, '..');
/** What the page is made of; kept with it. */
export const KEPT_PROOFS = path.join(ROOT, 'compatibility/proofs.json');
/** What runs of tests on this machine have seen since. */
const SEEN_PROOFS = path.join(ROOT, 'node_modules/.cache/earshot/proofs.json');

export const sortedProofs = (proofs: Proofs): Proofs =>
  Object.fromEntries(
    Object.entries(proofs)
      .filter(([, features]) => features.length > 0)
      .map(([file, features]) => [file, [...new Set(features)].sort()] as const)
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );

export const keptProofs = (): Proofs => read(KEPT_PROOFS);

/** Notes what the files of a run have shown, all their tests having passed; others stay as they were seen. */
export function noteProofs(seen: Proofs): void {
  mkdirSync(path.dirname(SEEN_PROOFS), { recursive: true });
  writeFileSync(SEEN_PROOFS, JSON.stringify({ ...read(SEEN_PROOFS), ...seen }));
}

/** The kept proofs, with those of the files that ran here in place of theirs. */
export const newestProofs = (exists: (file: string) => boolean): Proofs => {
  const all = { ...keptProofs(), ...read(SEEN_PROOFS) };
  return sortedProofs(Object.fromEntries(Object.entries(all).filter(([file]) => exists(file))));
};

function read(file: string): Proofs {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Proofs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
