/**
 * Word error rate of the server's streaming transcripts beside that of the engine's own batch tool on the same recordings.
 * Usage: `npm run bench:accuracy -- [FOLDER] [--json]`. FOLDER (or `EARSHOT_BENCH_AUDIO`) holds recordings and a `manifest.json`: a
 * list of `{file, language, transcript, channels}`; a transcript per channel is written `[left] ... [right] ...`. Without a folder
 * a few sentences are synthesized. `--json` adds one JSON object as the last line. Exit code 1 if a recording is more than 2 points worse.
 */
import { parseArgs } from 'node:util';
import { asChannels, convert, synthesize, withSilence } from '../speech.ts';
import { TestServer } from '../server.ts';
import { sumErrors, wordErrors, type WordErrors } from '../wer.ts';
import { transcribeByBatchTool } from './batch-tool.ts';
import { readManifest, type Recording } from './recordings.ts';
import { printTable } from './table.ts';
import { transcribeByWebSocket } from './stream-client.ts';

const MAX_DIFFERENCE_POINTS = 2;

interface Row {
  readonly name: string;
  readonly ours: WordErrors;
  readonly batch: WordErrors;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: { json: { type: 'boolean', default: false } }, allowPositionals: true });
  const folder = positionals[0] ?? process.env['EARSHOT_BENCH_AUDIO'];
  const recordings = folder === undefined ? await synthesizeRecordings() : await readManifest(folder);
  if (recordings.length === 0) throw new Error('The manifest names no English recording with a transcript.');
  const batchTexts = await batchTranscripts(recordings);
  const rows: Row[] = [];
  await using server = await TestServer.start();
  for (const [index, recording] of recordings.entries()) {
    const { laneTexts } = await transcribeByWebSocket(server.url, recording.file);
    const score = (textOf: (channel: number) => string): WordErrors =>
      sumErrors(recording.transcripts.map((transcript, channel) => wordErrors(transcript, textOf(channel))));
    rows.push({
      name: recording.name,
      ours: score((channel) => laneTexts.get(channel) ?? ''),
      batch: score((channel) => batchTexts[index]?.[channel] ?? ''),
    });
  }
  return report(rows, values.json);
}

async function synthesizeRecordings(): Promise<Recording[]> {
  const texts = [
    'she had your dark suit in greasy wash water all year',
    'the meeting will begin at nine in the morning on the second floor of the main building',
    'please remember to close all the windows before you leave the house tonight',
  ] as const;
  const [one, two, three] = await Promise.all([synthesize(texts[0], 'slt'), synthesize(texts[1], 'rms'), synthesize(texts[2], 'slt')]);
  return [
    { name: 'woman', file: one, transcripts: [texts[0]] },
    { name: 'man', file: two, transcripts: [texts[1]] },
    { name: 'after silence', file: await withSilence(three, 2000, 1000, 'room'), transcripts: [texts[2]] },
    { name: 'stereo, one voice each', file: await asChannels(one, two), transcripts: [texts[0], texts[1]] },
    { name: 'opus', file: await convert(two, 'ogg'), transcripts: [texts[1]] },
    { name: 'mp3', file: await convert(three, 'mp3'), transcripts: [texts[2]] },
  ];
}

async function batchTranscripts(recordings: readonly Recording[]): Promise<string[][]> {
  const inputs = recordings.flatMap(({ file, transcripts }) => transcripts.map((_, channel) => ({ file, channel })));
  const heard = (await transcribeByBatchTool(inputs)).values();
  return recordings.map(({ transcripts }) => transcripts.map(() => heard.next().value ?? ''));
}

function report(rows: readonly Row[], json: boolean): number {
  const total: Row = { name: 'total', ours: sumErrors(rows.map((row) => row.ours)), batch: sumErrors(rows.map((row) => row.batch)) };
  const judged = [...rows, total].map((row) => ({ ...row, points: (row.ours.rate - row.batch.rate) * 100 }));
  const isOk = ({ points }: { points: number }): boolean => points <= MAX_DIFFERENCE_POINTS;
  printTable(
    ['recording', 'words', 'WER ours %', 'WER batch %', 'difference', `at most +${MAX_DIFFERENCE_POINTS} points`],
    judged.map((row) => [
      row.name,
      String(row.ours.referenceWords),
      percent(row.ours.rate),
      percent(row.batch.rate),
      `${row.points > 0 ? '+' : ''}${row.points.toFixed(1)}`,
      isOk(row) ? 'yes' : 'NO',
    ]),
  );
  const ok = judged.every(isOk);
  process.stdout.write(ok ? '\nNo recording is more than 2 points worse.\n' : '\nSome recordings are more than 2 points worse.\n');
  if (json) {
    const plain = judged.map((row) => ({ file: row.name, words: row.ours.referenceWords, ours: row.ours.rate, batch: row.batch.rate, points: row.points, ok: isOk(row) }));
    process.stdout.write(`${JSON.stringify({ ok, total: plain.at(-1), recordings: plain.slice(0, -1) })}\n`);
  }
  return ok ? 0 : 1;
}

const percent = (rate: number): string => (rate * 100).toFixed(1);

process.exitCode = await main();
