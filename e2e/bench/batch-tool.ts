import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** One channel of one recording. */
export interface BatchInput {
  readonly file: string;
  /** Counted from 0. */
  readonly channel: number;
}

/**
 * What the engine's own batch tool hears with its default options, in the order of the inputs: the whole recording as one
 * utterance, with the whole recording's cepstral mean.
 */
export async function transcribeByBatchTool(inputs: readonly BatchInput[]): Promise<string[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'earshot-batch-'));
  try {
    for (const [index, { file, channel }] of inputs.entries()) await toWav(file, channel, path.join(folder, `${index}.wav`));
    const list = path.join(folder, 'list');
    const result = path.join(folder, 'result');
    await writeFile(list, inputs.map((_, index) => `${index}\n`).join(''));
    await execute('pocketsphinx_batch', ['-adcin', 'yes', '-cepdir', folder, '-cepext', '.wav', '-adchdr', '44', '-ctl', list, '-hyp', result, '-logfn', path.join(folder, 'log')]);
    return parseHypotheses(await readFile(result, 'utf8'), inputs.length);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** 16 kHz mono with a header of exactly 44 bytes, which is what the tool skips. */
async function toWav(file: string, channel: number, target: string): Promise<void> {
  const filter = `pan=mono|c0=c${channel}`;
  await execute('ffmpeg', ['-v', 'error', '-nostdin', '-i', file, '-af', filter, '-ar', '16000', '-map_metadata', '-1', '-fflags', '+bitexact', '-flags:a', '+bitexact', '-c:a', 'pcm_s16le', target]);
}

/** Lines are `the words (name score)`; the words may be missing. */
function parseHypotheses(text: string, count: number): string[] {
  const heard = new Map<number, string>();
  for (const line of text.split('\n')) {
    const match = /^(.*?)\s*\((\d+) -?\d+\)$/.exec(line);
    if (match) heard.set(Number(match[2]), withoutVariants(match[1] ?? ''));
  }
  return Array.from({ length: count }, (_, index) => heard.get(index) ?? '');
}

/** `read(2)` is the second pronunciation of `read`. */
const withoutVariants = (text: string): string => text.replaceAll(/\(\d+\)/g, '');
