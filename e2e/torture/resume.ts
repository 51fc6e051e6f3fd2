/**
 * Cuts the connections of Gladia's own package a thousand times, and wants the text of the uncut run every time. With `--client native` it is our own library, and the times of all words have to be
 * the same as well.
 * Usage: `npm run torture:resume -- [--client gladia|native] [--cuts N] [--parallel P] [--speed X] [--seed S] [--recordings FOLDER] [--digests] [--json]`. Session by session, P (default 2) at a time, until
 * N (default 1000) connections were lost and found again. Speech is X times (default 2) as fast as it was spoken: the story of the tests, or each WAV file (16 kHz,
 * mono, 16 bit) of FOLDER in turn. Seeds S, S + 1, ...: the same cuts again for the same seeds, as far as a network has it. `--digests` puts in the recognizer's place a server
 * whose words are digests of the samples that it gets: one sample lost, doubled or moved is another word, and it costs next to nothing. (Its speech has noise behind it.)
 * Exit code 1 on any difference.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { GLADIA_FORMAT, type Heard, speakByGladia, type SpeakOptions, textOf } from '../clients/gladia.ts';
import { speakNatively } from '../clients/native.ts';
import { CUTS, type CutKind, disturbances } from '../cuts.ts';
import { CuttingProxy } from '../cutting-proxy.ts';
import { printTable } from '../bench/table.ts';
import { loadSentences, makeTalk } from '../bench/talk.ts';
import { TestServer } from '../server.ts';
import { tellStory } from '../spoken.ts';
import { samplesOf } from '../wav.ts';
import { DigestUpstream, startWithDigests } from '../digest-upstream.ts';

interface Recording {
  readonly name: string;
  readonly audio: Uint8Array;
  /** Of the run without cuts. */
  readonly text: string;
}

interface Run {
  readonly recording: Recording;
  readonly seed: number;
  readonly heard: Heard;
  readonly isEqual: boolean;
}

const BYTES_PER_MS = 32;
const TALK_MS = 14_000;
const SEVERITY_WARNING = 40;
/** Of the server's log, after a difference. */
const SHOWN_LINES = 5;

type Speak = (url: string, apiKey: string, audio: Uint8Array, options: SpeakOptions) => Promise<Heard>;

const CLIENTS: Readonly<Record<string, Speak>> = {
  gladia: (url, apiKey, audio, options) => speakByGladia(url, apiKey, GLADIA_FORMAT, audio, options),
  native: speakNatively,
};

const OPTIONS = {
  client: { type: 'string', default: 'gladia' },
  cuts: { type: 'string', default: '1000' },
  parallel: { type: 'string', default: '2' },
  speed: { type: 'string', default: '2' },
  seed: { type: 'string', default: '1' },
  recordings: { type: 'string' },
  digests: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  const speed = Number(values.speed);
  const speak = CLIENTS[values.client];
  if (!speak) throw new Error(`There is no client ${values.client}.`);
  const upstream = values.digests ? await DigestUpstream.start() : undefined;
  const server = upstream ? await startWithDigests(upstream) : await TestServer.start();
  const made = new Map<CutKind, number>(CUTS.map((kind) => [kind, 0]));
  const runs: Run[] = [];
  const lost = (): number => runs.reduce((sum, { heard }) => sum + heard.connections - 1, 0);
  try {
    const recordings: Recording[] = [];
    for (const [name, audio] of await audioOf(values.recordings, values.digests)) {
      const heard = await speak(server.url, server.apiKey, audio, { speed });
      recordings.push({ name, audio, text: textOf(heard) });
    }
    let next = Number(values.seed);
    const work = async (): Promise<void> => {
      while (lost() < Number(values.cuts)) {
        const seed = next++;
        const recording = recordings[seed % recordings.length]!;
        const run = await cutRun(server, speak, recording, seed, speed, (kind) => made.set(kind, made.get(kind)! + 1));
        runs.push(run);
        process.stdout.write(`seed ${seed}, ${recording.name}: ${run.heard.connections - 1} connections lost, text ${run.isEqual ? 'equal' : 'DIFFERENT'}${drift(run)} (${lost()} so far)\n`);
        if (run.isEqual) continue;
        process.stdout.write(`  uncut: ${recording.text}\n  cut:   ${textOf(run.heard)} (closed with ${run.heard.code})\n`);
        showLog(server);
      }
    };
    await Promise.all(Array.from({ length: Number(values.parallel) }, work));
  } catch (error) {
    showLog(server);
    throw error;
  } finally {
    await server.stop();
    upstream?.close();
  }
  return report(runs, made, lost(), values.json);
}

/** How much longer than the recording the session was, where it tells: silence that was heard too often. */
function drift({ recording, heard }: Run): string {
  const last = heard.messages.find(({ type }) => type === 'post_final_transcript')?.['data'] as { readonly metadata: { readonly audio_duration: number } } | undefined;
  return last ? `, ${String(Math.round(last.metadata.audio_duration * 1000 - recording.audio.length / BYTES_PER_MS))} ms longer` : '';
}

function showLog(server: TestServer): void {
  for (const line of server.process.log.filter(({ level }) => level >= SEVERITY_WARNING).slice(-SHOWN_LINES)) process.stdout.write(`  ${JSON.stringify(line)}\n`);
}

async function cutRun(server: TestServer, speak: Speak, recording: Recording, seed: number, speed: number, made: (kind: CutKind) => void): Promise<Run> {
  const proxy = await CuttingProxy.start(server.url);
  try {
    const heard = await speak(proxy.url, server.apiKey, recording.audio, { speed, ...disturbances(proxy, seed, made) });
    return { recording, seed, heard, isEqual: heard.code === 1000 && textOf(heard) === recording.text };
  } finally {
    await proxy.close();
  }
}

async function audioOf(folder: string | undefined, withNoise: boolean): Promise<readonly (readonly [name: string, audio: Uint8Array])[]> {
  if (folder === undefined && withNoise) {
    const sentences = await loadSentences();
    return [0, 1, 2].map((seed) => [`talk ${seed}`, new Uint8Array(makeTalk(sentences, seed, TALK_MS).samples.buffer)] as const);
  }
  if (folder === undefined) return [['story', samplesOf(await readFile(await tellStory()))]];
  const names = (await readdir(folder)).filter((name) => name.endsWith('.wav')).sort();
  return Promise.all(names.map(async (name) => [name, samplesOf(await readFile(path.join(folder, name)))] as const));
}

function report(runs: readonly Run[], made: ReadonlyMap<CutKind, number>, lost: number, asJson: boolean): number {
  const different = runs.filter(({ isEqual }) => !isEqual);
  const repeated = runs.reduce((sum, { heard }) => sum + heard.repeatedFinals, 0);
  printTable(['cuts', 'count'], [...made].map(([kind, count]) => [kind, String(count)]));
  process.stdout.write(`${runs.length} sessions, ${lost} connections lost and found again, ${different.length} texts different, ${repeated} finals that came twice with the same id\n`);
  if (asJson) {
    const summary = { sessions: runs.length, lost, different: different.map(({ seed, recording }) => ({ seed, recording: recording.name })), repeatedFinals: repeated, wanted: Object.fromEntries(made) };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
  }
  return different.length === 0 && lost > 0 ? 0 : 1;
}

process.exitCode = await main();
