/**
 * How well speakers are told apart and known, over the server's own API.
 *   npm run bench:speakers -- [--recordings FOLDER] [--json]
 * Without a folder: dialogues and voices that flite speaks. FOLDER has a `manifest.json` (`file`, `speakers` as turns
 * `{speaker, start, end}` in seconds, `channels`); recordings without turns of one person serve as voices to identify.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { call, transcribed } from '../clients/rest.ts';
import type { Segment } from '../clients/wire.ts';
import { eventually } from '../eventually.ts';
import { TestServer } from '../server.ts';
import { durationSeconds } from '../speech.ts';
import { SENTENCES } from '../spoken.ts';
import { printTable } from './table.ts';

const execute = promisify(execFile);

interface Turn {
  readonly speaker: string;
  readonly start: number;
  readonly end: number;
}

interface Dialogue {
  readonly name: string;
  readonly file: string;
  readonly turns: readonly Turn[];
}

/** A voice of flite, and what is changed about it. */
type Setting = readonly string[];
const VOICES: Readonly<Record<string, Setting>> = {
  slt: ['-voice', 'slt'],
  rms: ['-voice', 'rms'],
  awb: ['-voice', 'awb'],
  kal16: ['-voice', 'kal16'],
  'slt low': ['-voice', 'slt', '--setf', 'int_f0_target_mean=130'],
  'rms high': ['-voice', 'rms', '--setf', 'int_f0_target_mean=140'],
  'awb low': ['-voice', 'awb', '--setf', 'int_f0_target_mean=95'],
  'kal16 high': ['-voice', 'kal16', '--setf', 'int_f0_target_mean=150'],
};
const LINES = Object.values(SENTENCES);
const PAUSE_SECONDS = 0.8;
/** Time around each change of turn that is not judged: references are no more exact. */
const COLLAR_SECONDS = 0.25;
const STEP_SECONDS = 0.01;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { recordings: { type: 'string' }, json: { type: 'boolean' } } });
  const folder = await mkdtemp(path.join(tmpdir(), 'earshot-bench-'));
  await using server = await TestServer.start();
  try {
    const dialogues = [...(await synthesizedDialogues(folder)), ...(values.recordings === undefined ? [] : await recordedDialogues(values.recordings))];
    const errors = [];
    for (const dialogue of dialogues) errors.push({ name: dialogue.name, ...(await diarizationErrors(server, dialogue)) });
    printTable(
      ['dialogue', 'speakers', 'found', 'missed %', 'false %', 'confused %', 'DER %', 'confused words %'],
      errors.map((each) => [each.name, String(each.speakers), String(each.found), ...[each.missed, each.falseAlarm, each.confused, each.rate, each.confusedWords].map(percent)]),
    );
    const identified = await identify(server, folder);
    process.stdout.write('\n');
    printTable(['voice', 'utterances', 'right', 'another', 'unknown'], identified.map(({ voice, utterances, right, another, unknown }) => [voice, ...[utterances, right, another, unknown].map(String)]));
    if (values.json === true) process.stdout.write(`${JSON.stringify({ errors, identified })}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function say(folder: string, voice: string, text: string): Promise<string> {
  const file = path.join(folder, `${voice.replace(' ', '-')}-${String(LINES.indexOf(text as (typeof LINES)[number]))}.wav`);
  await execute('flite', [...(VOICES[voice] ?? []), '-t', text, '-o', file]);
  return file;
}

async function synthesizedDialogues(folder: string): Promise<Dialogue[]> {
  const casts = [['slt', 'rms'], ['rms', 'awb'], ['kal16', 'slt'], ['slt', 'rms', 'awb'], ['slt', 'rms', 'awb', 'kal16'], ['slt']];
  const dialogues: Dialogue[] = [];
  // One after the other: they share files.
  for (const cast of casts) dialogues.push(await staged(folder, cast));
  return dialogues;
}

/** The cast takes turns, a dozen in all, some twice in a row. */
async function staged(folder: string, cast: readonly string[]): Promise<Dialogue> {
  const turns: Turn[] = [];
  const files: string[] = [];
  let at = 0;
  for (let index = 0; index < 12; index += 1) {
    const speaker = cast[(index * 7 + (index >> 2)) % cast.length] ?? '';
    const file = await say(folder, speaker, LINES[index % LINES.length] ?? '');
    const seconds = await durationSeconds(file);
    turns.push({ speaker, start: at, end: at + seconds });
    files.push(file);
    at += seconds + PAUSE_SECONDS;
  }
  const file = path.join(folder, `${cast.join('+')}.wav`);
  const padded = files.map((_, index) => `[${index}:a]aresample=16000,apad=pad_dur=${PAUSE_SECONDS}[p${index}]`).join(';');
  const joined = `${files.map((_, index) => `[p${index}]`).join('')}concat=n=${files.length}:v=0:a=1`;
  await execute('ffmpeg', ['-v', 'error', '-y', ...files.flatMap((each) => ['-i', each]), '-filter_complex', `${padded};${joined}`, '-c:a', 'pcm_s16le', file]);
  return { name: `flite ${cast.join(', ')}`, file, turns };
}

async function recordedDialogues(folder: string): Promise<Dialogue[]> {
  const entries = JSON.parse(await readFile(path.join(folder, 'manifest.json'), 'utf8')) as readonly { readonly file: string; readonly speakers?: readonly Turn[] | null }[];
  return entries.flatMap(({ file, speakers }) => (speakers ? [{ name: file, file: path.join(folder, file), turns: speakers }] : []));
}

/** NIST's diarization error rate, by time; speech and speakers of the answer are those of its words. */
async function diarizationErrors(server: TestServer, { file, turns }: Dialogue) {
  const { segments } = await transcribed(server, await readFile(file), { fields: { diarize: 'true' } });
  const words = segments.flatMap((segment) => segment.words.map((word) => ({ speaker: word.speaker ?? '?', start: word.start, end: word.end })));
  const references = [...new Set(turns.map(({ speaker }) => speaker))];
  const labels = [...new Set(words.map(({ speaker }) => speaker))];
  const named = bestNames(labels, references, words, turns);
  let [speech, missed, falseAlarm, confused] = [0, 0, 0, 0];
  const end = Math.max(...turns.map((turn) => turn.end), ...words.map((word) => word.end));
  // A breath between two words is speech to whoever marked the turns.
  const heard = closedGaps(words);
  for (let time = 0; time < end; time += STEP_SECONDS) {
    if (turns.some((turn) => Math.abs(turn.start - time) < COLLAR_SECONDS || Math.abs(turn.end - time) < COLLAR_SECONDS)) continue;
    const spoken = turns.filter((turn) => turn.start <= time && time < turn.end).map(({ speaker }) => speaker);
    const said = heard.filter((word) => word.start <= time && time < word.end).map(({ speaker }) => named.get(speaker) ?? speaker);
    const right = said.filter((speaker) => spoken.includes(speaker)).length;
    speech += spoken.length;
    missed += Math.max(0, spoken.length - said.length);
    falseAlarm += Math.max(0, said.length - spoken.length);
    confused += Math.min(spoken.length, said.length) - right;
  }
  const judged = words.filter((word) => turns.some((turn) => overlap(word, turn) > 0));
  const wrong = judged.filter((word) => !turns.some((turn) => overlap(word, turn) > 0 && turn.speaker === named.get(word.speaker)));
  return {
    speakers: references.length,
    found: labels.length,
    missed: missed / speech,
    falseAlarm: falseAlarm / speech,
    confused: confused / speech,
    rate: (missed + falseAlarm + confused) / speech,
    confusedWords: wrong.length / Math.max(1, judged.length),
  };
}

const MAX_GAP_SECONDS = 0.5;

function closedGaps(words: readonly Turn[]): Turn[] {
  const runs: Turn[] = [];
  for (const word of words.toSorted((a, b) => a.start - b.start)) {
    const last = runs.at(-1);
    if (last?.speaker === word.speaker && word.start - last.end < MAX_GAP_SECONDS) runs[runs.length - 1] = { ...last, end: Math.max(last.end, word.end) };
    else runs.push(word);
  }
  return runs;
}

/** Each label for at most one speaker, so that most of the time is right. */
function bestNames(labels: readonly string[], references: readonly string[], words: readonly Turn[], turns: readonly Turn[]): ReadonlyMap<string, string> {
  const shared = (label: string, speaker: string): number =>
    words.filter((word) => word.speaker === label).reduce((sum, word) => sum + turns.filter((turn) => turn.speaker === speaker).reduce((most, turn) => most + overlap(word, turn), 0), 0);
  const assign = (left: readonly string[], free: readonly string[]): { readonly seconds: number; readonly names: readonly (readonly [string, string])[] } => {
    const [label, ...others] = left;
    if (label === undefined) return { seconds: 0, names: [] };
    return free
      .map((speaker) => {
        const rest = assign(others, free.filter((each) => each !== speaker));
        return { seconds: rest.seconds + shared(label, speaker), names: [[label, speaker] as const, ...rest.names] };
      })
      .reduce((best, each) => (each.seconds > best.seconds ? each : best), assign(others, free));
  };
  return new Map(assign(labels, references).names);
}

const overlap = (a: Pick<Turn, 'start' | 'end'>, b: Pick<Turn, 'start' | 'end'>): number => Math.max(0, Math.min(a.end, b.end) - Math.max(a.start, b.start));

/** Every voice is enrolled with two sentences and then says four others, alone. */
async function identify(server: TestServer, folder: string) {
  for (const voice of Object.keys(VOICES)) await enrol(server, voice, await twoSentences(folder, voice));
  const results = [];
  for (const voice of Object.keys(VOICES)) {
    const result = { voice, utterances: 0, right: 0, another: 0, unknown: 0 };
    for (const text of LINES.slice(2)) {
      const { segments } = await transcribed(server, await readFile(await say(folder, voice, text)), { fields: { diarize: 'true' } });
      const heard = labelOf(segments);
      result.utterances += 1;
      if (heard === voice) result.right += 1;
      else if (heard === undefined || heard.startsWith('SPEAKER_')) result.unknown += 1;
      else result.another += 1;
    }
    results.push(result);
  }
  return results;
}

const labelOf = (segments: readonly Segment[]): string | undefined => segments.toSorted((a, b) => b.words.length - a.words.length)[0]?.speaker;

async function twoSentences(folder: string, voice: string): Promise<string> {
  const file = path.join(folder, `${voice.replace(' ', '-')}-reference.wav`);
  await execute('flite', [...(VOICES[voice] ?? []), '-t', `${LINES[0] ?? ''}. ${LINES[1] ?? ''}.`, '-o', file]);
  return file;
}

async function enrol(server: TestServer, name: string, file: string): Promise<void> {
  const form = new FormData();
  const consent = { consent_user_full_name: name, consent_stated_purpose: 'a measurement', consent_text: 'A synthesizer does not mind.' };
  for (const [field, value] of Object.entries({ display_name: name, language_primary: 'en', ...consent })) form.set(field, value);
  const audio = new Blob([await readFile(file)]);
  form.set('reference', audio, 'reference.wav');
  form.set('consent', audio, 'consent.wav');
  interface Enrolled {
    readonly speaker_id: string;
    readonly status: string;
    readonly failure_reason: string | null;
  }
  const { data } = await call<Enrolled>(server, 'POST', 'speakers', { body: form });
  let seen = data;
  await eventually(`${name} is known`, async () => {
    seen = (await call<Enrolled>(server, 'GET', `speakers/${data?.speaker_id ?? ''}`)).data;
    return seen?.status !== 'pending';
  });
  if (seen?.status !== 'ready') process.stdout.write(`${name} was not enrolled: ${seen?.failure_reason ?? '?'}\n`);
}

const percent = (share: number): string => (share * 100).toFixed(1);

await main();
