import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Speech whose words are known. */
export interface Recording {
  readonly name: string;
  readonly file: string;
  /** Spoken words per channel. */
  readonly transcripts: readonly string[];
}

interface ManifestEntry {
  readonly file: string;
  readonly language: string | null;
  readonly transcript: string | null;
  readonly channels: number;
}

/** The English recordings with a transcript that a folder's `manifest.json` names; those without one are said. */
export async function readManifest(folder: string): Promise<Recording[]> {
  const entries = JSON.parse(await readFile(path.join(folder, 'manifest.json'), 'utf8')) as ManifestEntry[];
  const english = entries.filter((entry) => entry.language === 'en');
  const unscored = english.filter((entry) => (entry.transcript ?? '').trim() === '');
  for (const { file } of unscored) process.stdout.write(`${file}: no transcript, not scored\n`);
  return english
    .filter((entry) => !unscored.includes(entry))
    .map((entry) => ({ name: entry.file, file: path.join(folder, entry.file), transcripts: channelTranscripts(entry) }));
}

/** `[left] ... [right] ...` holds one text per channel; a text without marks was spoken on every channel. */
function channelTranscripts({ transcript, channels }: ManifestEntry): string[] {
  const text = transcript ?? '';
  const marked = text.split(/\[[^\]]+\]/).slice(1);
  return marked.length === channels ? marked : Array.from({ length: channels }, () => text);
}
