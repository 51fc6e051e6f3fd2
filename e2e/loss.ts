/**
 * Word error rate over networks that lose packets, with each means of recovery and without. Speech is encoded by libopus, packets are lost by
 * a seeded model, received by the server's own RTP source in simulated time, and what the lane hears goes to the engine's batch tool.
 *   npm run bench:loss -- [FOLDER] [--loss 0,5,10,20,30] [--means none,plc,fec,red,nack,all] [--bursts 1,4] [--json]
 * FOLDER (or `EARSHOT_BENCH_AUDIO`) is as for `bench:accuracy`; only recordings of one channel are taken. Without one, sentences are synthesized.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { rawSamples, synthesize } from '../speech.ts';
import { wavFile } from '../wav.ts';
import { sumErrors, wordErrors } from '../wer.ts';
import { transcribeByBatchTool } from './batch-tool.ts';
import { printTable } from './table.ts';

const LINK = path.join(import.meta.dirname, '../../media/rtp/testing/lossy-link.ts');
const JITTER_MS = 30;
const ONE_WAY_MS = 20;
const GOAL_POINTS = 2;
const GOAL_LOSS = 10;

/** What is on in each column; concealment goes with everything that recovers. */
const MEANS: Readonly<Record<string, readonly string[]>> = {
  none: [],
  plc: ['plc'],
  fec: ['plc', 'fec'],
  red: ['plc', 'red'],
  nack: ['plc', 'nack'],
  all: ['plc', 'fec', 'red', 'nack'],
};

interface Recording {
  readonly file: string;
  readonly transcript: string;
}

interface Row {
  readonly lossPercent: number;
  readonly burst: number;
  readonly means: string;
  readonly wer: number;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      loss: { type: 'string', default: '0,5,10,20,30' },
      means: { type: 'string', default: Object.keys(MEANS).join(',') },
      bursts: { type: 'string', default: '1,4' },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const recordings = await readRecordings(positionals[0] ?? process.env['EARSHOT_BENCH_AUDIO']);
  const folder = await mkdtemp(path.join(tmpdir(), 'earshot-loss-'));
  const rows: Row[] = [];
  try {
    for (const burst of values.bursts.split(',').map(Number)) {
      for (const lossPercent of values.loss.split(',').map(Number)) {
        // Without loss bursts are no different.
        if (lossPercent === 0 && burst > 1) continue;
        for (const means of values.means.split(',')) rows.push({ lossPercent, burst, means, wer: await measure(recordings, { lossPercent, burst, means }, folder) });
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return report(rows, values.json);
}

async function readRecordings(folder: string | undefined): Promise<Recording[]> {
  if (folder === undefined) {
    const texts = [
      'she had your dark suit in greasy wash water all year',
      'the meeting will begin at nine in the morning on the second floor of the main building',
      'my brother has a new job in the city and he is very happy there',
    ];
    return await Promise.all(texts.map(async (transcript, i) => ({ transcript, file: await synthesize(transcript, i % 2 === 0 ? 'slt' : 'rms') })));
  }
  const entries = JSON.parse(await readFile(path.join(folder, 'manifest.json'), 'utf8')) as { file: string; language: string; transcript: string | null; channels: number }[];
  return entries.flatMap(({ file, language, transcript, channels }) =>
    language === 'en' && channels === 1 && transcript !== null && transcript.trim() !== '' ? [{ file: path.join(folder, file), transcript }] : [],
  );
}

async function measure(recordings: readonly Recording[], { lossPercent, burst, means }: Omit<Row, 'wer'>, folder: string): Promise<number> {
  const heard: string[] = [];
  for (const [index, { file }] of recordings.entries()) {
    const input = path.join(folder, `${String(index)}.pcm`);
    const output = path.join(folder, `${String(index)}.lane`);
    await writeFile(input, await rawSamples(file, 48_000));
    const link = fork(LINK);
    link.send({ input, output, loss: lossPercent / 100, burst, jitterMs: JITTER_MS, oneWayMs: ONE_WAY_MS, means: MEANS[means] ?? [], seed: 1000 + index });
    const [code] = (await once(link, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`The link ended with ${String(code)}.`);
    const wav = path.join(folder, `${String(index)}.wav`);
    await writeFile(wav, wavFile(await readFile(output), { sampleRateHz: 16_000 }));
    heard.push(wav);
  }
  const texts = await transcribeByBatchTool(heard.map((file) => ({ file, channel: 0 })));
  return sumErrors(recordings.map(({ transcript }, i) => wordErrors(transcript, texts[i] ?? ''))).rate;
}

function report(rows: readonly Row[], json: boolean): number {
  const columns = [...new Set(rows.map(({ means }) => means))];
  const lines = [...new Set(rows.map(({ lossPercent, burst }) => `${String(lossPercent)} % ${burst > 1 ? `in bursts of ${String(burst)}` : 'random'}`))];
  const cell = (line: string, means: string): string => {
    const row = rows.find((each) => each.means === means && line === `${String(each.lossPercent)} % ${each.burst > 1 ? `in bursts of ${String(each.burst)}` : 'random'}`);
    return row ? (row.wer * 100).toFixed(1) : '';
  };
  printTable(['WER % at loss', ...columns], lines.map((line) => [line, ...columns.map((means) => cell(line, means))]));
  const werOf = (lossPercent: number): number | undefined => rows.find((row) => row.means === 'all' && row.burst === 1 && row.lossPercent === lossPercent)?.wer;
  const [clean, lossy] = [werOf(0), werOf(GOAL_LOSS)];
  const points = clean === undefined || lossy === undefined ? null : (lossy - clean) * 100;
  const ok = points === null || points <= GOAL_POINTS;
  if (points !== null) process.stdout.write(`\nAt 10 % random loss, with all means: ${points.toFixed(1)} points more than without loss (goal: at most ${String(GOAL_POINTS)}).\n`);
  if (json) process.stdout.write(`${JSON.stringify({ ok, points_at_10_percent: points, rows })}\n`);
  return ok ? 0 : 1;
}

process.exitCode = await main();
