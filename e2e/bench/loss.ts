/**
 * Word error rate through a network that loses packets: at random and in bursts, with each means of recovery by itself, with none and with all. A sender's
 * Opus goes by WebRTC through an impairing proxy into a media engine; what came to its lanes is then recognized by a server, at its own pace, so that
 * a slow machine is not taken for a bad network.
 *   npm run bench:loss -- [FOLDER] [--loss 0,5,10,20,30] [--pattern random,bursty] [--means none,fec,nack,red,all] [--engine NAME] [--streams N] [--delay MS] [--json]
 * FOLDER (or `EARSHOT_BENCH_AUDIO`) as for bench:accuracy; of its recordings those of one channel are spoken. Without it two voices say some 300 words.
 * `--engine`: werift (default) or mediasoup; `--streams`: those sent at a time, default 12; `--delay`: of the network each way, default 20 ms.
 * Exit code 1 if at 10 % random loss, with all means, the rate is more than 2 points above that without loss.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { StreamClient } from '../clients/stream.ts';
import { opusPackets, WebRtcClient } from '../clients/webrtc.ts';
import { ImpairedNetwork } from '../impaired-network.ts';
import { TestServer } from '../server.ts';
import { convertForCall, inSequence, synthesize, withSilence } from '../speech.ts';
import { sumErrors, wordErrors, type WordErrors } from '../wer.ts';
import type { TrackCounts } from './ingest-messages.ts';
import { type Receiver, receiverOf } from './ingest-processes.ts';
import { readManifest, type Recording } from './recordings.ts';
import { printTable } from './table.ts';
import { TEXTS, VOICES } from './talk.ts';

const MAX_POINTS = 2;
const GOAL_LOSS = 10;
/** Datagrams that a burst takes on average: 80 ms. */
const BURST = 4;
const PAUSE_MS = 950;
/** Silence before the first word and after the last one. */
const EDGE_MS = 500;
/** What the network still carries has come by then. */
const ARRIVAL_MS = 700;

type Pattern = 'random' | 'bursty';
type Means = 'none' | 'fec' | 'nack' | 'red' | 'all';

interface Condition {
  readonly lossPercent: number;
  readonly pattern: Pattern;
  readonly means: Means;
}

interface Packets {
  readonly sent: number;
  readonly lost: number;
  /** That nothing made good, by the engine's count. */
  readonly missing: number;
}

interface Outcome extends Packets {
  readonly errors: WordErrors;
}

/** A recording under a condition. */
interface Call {
  readonly id: number;
  readonly row: number;
  readonly condition: Condition;
  readonly recording: Recording;
  /** What the lane heard. */
  readonly file: string;
}

/** Recordings recognized at a time. */
const RECOGNIZING = 2;

interface Row extends Condition {
  readonly words: number;
  readonly wordErrors: number;
  readonly rate: number;
  /** Above the rate without loss. */
  readonly points: number;
  readonly lostShare: number;
  readonly missingShare: number;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      loss: { type: 'string', default: '0,5,10,20,30' },
      pattern: { type: 'string', default: 'random,bursty' },
      means: { type: 'string', default: 'none,fec,nack,red,all' },
      engine: { type: 'string', default: 'werift' },
      streams: { type: 'string', default: '12' },
      delay: { type: 'string', default: '20' },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const folder = positionals[0] ?? process.env['EARSHOT_BENCH_AUDIO'];
  const recordings = folder === undefined ? await synthesizeRecordings() : (await readManifest(folder)).filter(({ transcripts }) => transcripts.length === 1);
  const conditions = conditionsOf(values.loss.split(',').map(Number), values.pattern.split(',') as Pattern[], values.means.split(',') as Means[]);
  const folderOfCalls = await mkdtemp(path.join(tmpdir(), 'earshot-loss-'));
  try {
    const calls = conditions
      .flatMap((condition, row) => recordings.map((recording) => ({ condition, row, recording })))
      .map((call, id) => ({ ...call, id, file: path.join(folderOfCalls, `${id}.pcm`) }));
    const sent = await sendAll(calls, values.engine, Number(values.streams), Number(values.delay));
    const heard = await recognizeAll(calls);
    const outcomes = calls.map((call) => ({ row: call.row, errors: heard.get(call.id)!, ...sent.get(call.id)! }));
    return report(conditions.map((condition, row) => ({ condition, outcomes: outcomes.filter((outcome) => outcome.row === row) })), values.json);
  } finally {
    await rm(folderOfCalls, { recursive: true, force: true });
  }
}

/** Without loss all means are one. */
function conditionsOf(losses: readonly number[], patterns: readonly Pattern[], means: readonly Means[]): Condition[] {
  const lossy = losses.filter((loss) => loss > 0);
  return [
    ...(losses.includes(0) ? [{ lossPercent: 0, pattern: 'random', means: 'all' } as const] : []),
    ...patterns.flatMap((pattern) => lossy.flatMap((lossPercent) => means.map((each) => ({ lossPercent, pattern, means: each })))),
  ];
}

async function synthesizeRecordings(): Promise<Recording[]> {
  return await Promise.all(
    VOICES.map(async (voice) => {
      const sentences = TEXTS.map(async (text) => withSilence(await synthesize(text, voice), 0, PAUSE_MS));
      return { name: voice, file: await inSequence(...(await Promise.all(sentences))), transcripts: [TEXTS.join(' ')] };
    }),
  );
}

/** What became of the packets of each call, by its id. */
async function sendAll(calls: readonly Call[], engine: string, streams: number, delayMs: number): Promise<Map<number, Packets>> {
  await using receiver = await receiverOf(engine);
  if (!receiver) throw new Error(`There is no engine ${engine} here.`);
  return await each(calls, streams, (call) => send(receiver, call, delayMs));
}

async function send(receiver: Receiver, { id, condition: { lossPercent, pattern, means }, recording, file }: Call, delayMs: number): Promise<Packets> {
  const has = (one: Means): boolean => means === one || means === 'all';
  const speech = await withSilence(recording.file, EDGE_MS, EDGE_MS, 'room');
  const packets = opusPackets(await readFile(await convertForCall(speech, has('fec') ? lossPercent : 0)));
  await using network = await ImpairedNetwork.open({ loss: lossPercent / 100, burst: pattern === 'bursty' ? BURST : 1, delayMs, seed: id });
  const client = new WebRtcClient({ network, red: has('red'), nack: has('nack') });
  const { sdp } = await receiver.ask({ kind: 'offer', id, sdp: await client.offer(), keep: true }, 'answer', id);
  await client.accept(sdp);
  network.impair();
  await client.send(packets);
  await pause(ARRIVAL_MS);
  const { stats } = await receiver.ask({ kind: 'hang-up', id, file }, 'hung-up', id);
  await client.vanish();
  return { sent: packets.length, lost: (network.sent.lost / Math.max(1, network.sent.datagrams)) * packets.length, missing: missingOf(stats, packets.length) };
}

/** What the engine knows to be lost, and what came after it had heard the last. */
const missingOf = ({ packetsReceived, packetsLost, recoveredByFec, recoveredByRed }: TrackCounts, sent: number): number =>
  packetsReceived === 0 ? sent : Math.max(packetsLost, sent - packetsReceived) - recoveredByFec - recoveredByRed;

async function recognizeAll(calls: readonly Call[]): Promise<Map<number, WordErrors>> {
  await using server = await TestServer.start();
  return await each(calls, RECOGNIZING, async ({ file, recording }) => {
    const client = await StreamClient.connect(server);
    client.send({ type: 'open', media_type: 'audio/pcm', sample_rate: 16_000 });
    await client.sendAudio(await readFile(file));
    client.send({ type: 'close' });
    // However long that takes.
    const { code } = await client.closed;
    if (code !== 1000) throw new Error(`A recognition ended with ${code}: ${client.error?.code ?? ''}`);
    return wordErrors(recording.transcripts[0] ?? '', client.text);
  });
}

/** Does so many at a time, and shows that it goes on; results by id. */
async function each<T>(calls: readonly Call[], atATime: number, work: (call: Call) => Promise<T>): Promise<Map<number, T>> {
  const results = new Map<number, T>();
  const rest = calls.values();
  const worker = async (): Promise<void> => {
    for (const call of rest) {
      results.set(call.id, await work(call));
      process.stderr.write('.');
    }
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  process.stderr.write('\n');
  return results;
}

function report(results: readonly { readonly condition: Condition; readonly outcomes: readonly Outcome[] }[], json: boolean): number {
  const summed = results.map(({ condition, outcomes }) => {
    const errors = sumErrors(outcomes.map((outcome) => outcome.errors));
    const share = (of: (outcome: Outcome) => number): number => outcomes.reduce((sum, each) => sum + of(each), 0) / outcomes.reduce((sum, each) => sum + each.sent, 0);
    return { condition, errors, lostShare: share(({ lost }) => lost), missingShare: share(({ missing }) => missing) };
  });
  const clean = summed.find(({ condition }) => condition.lossPercent === 0)?.errors.rate ?? NaN;
  const rows: Row[] = summed.map(({ condition, errors, lostShare, missingShare }) => ({
    ...condition,
    words: errors.referenceWords,
    wordErrors: errors.substitutions + errors.insertions + errors.deletions,
    rate: errors.rate,
    points: (errors.rate - clean) * 100,
    lostShare,
    missingShare,
  }));
  const percent = (share: number): string => (share * 100).toFixed(1);
  printTable(
    ['loss', 'pattern', 'means', 'words', 'errors', 'WER %', 'points', 'lost %', 'not made good %'],
    rows.map((row) => [`${row.lossPercent} %`, row.pattern, row.means, String(row.words), String(row.wordErrors), percent(row.rate), row.points.toFixed(1), percent(row.lostShare), percent(row.missingShare)]),
  );
  const goal = rows.find(({ lossPercent, pattern, means }) => lossPercent === GOAL_LOSS && pattern === 'random' && means === 'all');
  const ok = goal === undefined || !(goal.points > MAX_POINTS);
  if (goal) process.stdout.write(`\nAt ${GOAL_LOSS} % random loss with all means ${goal.points.toFixed(1)} points above no loss; at most ${MAX_POINTS}: ${ok ? 'yes' : 'NO'}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ ok, words: rows[0]?.words ?? 0, rate_without_loss: clean, points_at_10_percent: goal?.points ?? null, rows })}\n`);
  return ok ? 0 : 1;
}

process.exitCode = await main();
