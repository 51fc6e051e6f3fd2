/**
 * Cost and latency of live captions. Speaks to a server of its own by WebRTC and WebSocket, half and half, in real time, and sets
 * the streams that it holds against what the bare engine could do on the same cores and the same speech.
 * Usage: `npm run bench:live -- [--streams N,N,...] [--seconds S] [--join MS] [--json]`. Without N it goes upward until streams fall
 * behind. S (default 80) is measured after a warm-up that is left out; a stream joins every MS (default 4000), because a cold lane
 * costs more than a warm one. `--json` adds one JSON object as the last line. Linux only; wants a quiet machine.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { sumErrors, wordErrors } from '../wer.ts';
import { runBareEngines, type BareResult } from './bare-engine.ts';
import { ENDPOINT_MS, runLoad, talkLengthMs, WARM_UP_MS, type LoadResult, type LoadShape, type StreamOutcome } from './live-load.ts';
import { printTable } from './table.ts';
import { loadSentences, makeTalk, SAMPLES_PER_MS, type Talk } from './talk.ts';

const BARE_TALKS = 2;
const BARE_TALK_MS = 40_000;
/** Streams of the first load, as a share of the bare engine's limit; then one more each time. */
const FIRST_SHARE = 0.6;
const STEP = 1;
/** A final later than this is a stream that has fallen behind. */
const MAX_LATENESS_MS = 3000;
/** Finals that come later and later, by this much over the window, belong to a stream that will fall behind. */
const MAX_DRIFT_MS = 750;
const MAX_MORE_ERRORS = 0.1;
/** The limit before and after the loads may differ by this share; by more, the machine was not the same all the time. */
const MAX_LIMIT_CHANGE = 0.15;
const GOAL_RATIO = 0.85;
const GOAL_LATENCY_MS = 300;

interface Limits {
  readonly cores: number;
  // Both by CPU time, which others on the machine hardly touch; never lower than by the clock.
  /** Streams that the bare engine could hold: cores / real-time factor of the same audio. */
  readonly wholeAudio: number;
  /** The same if somebody else had cut out the pauses for it: a bar that no detector can reach. */
  readonly speechOnly: number;
  readonly wordErrorRate: number;
  readonly speech: BareResult;
}

interface Load {
  readonly count: number;
  readonly result: LoadResult;
  readonly isHeld: boolean;
  readonly summary: ReturnType<typeof summarize>;
}

async function main(): Promise<void> {
  const options = { streams: { type: 'string' }, seconds: { type: 'string', default: '80' }, join: { type: 'string', default: '4000' }, json: { type: 'boolean', default: false } } as const;
  const { values } = parseArgs({ options });
  const shape: LoadShape = { seconds: Number(values.seconds), joinMs: Number(values.join) };
  const counts = values.streams?.split(',').map(Number);
  if (counts?.some((count) => !Number.isInteger(count) || count < 1)) throw new Error('--streams: numbers from 1 on, with commas between them');
  const folder = await mkdtemp(path.join(tmpdir(), 'earshot-live-'));
  try {
    const sentences = await loadSentences();
    const talks = (count: number, lengthMs: number): Talk[] => Array.from({ length: count }, (_, seed) => makeTalk(sentences, seed, lengthMs));
    print(`load of the machine before: ${loadavg().map((each) => each.toFixed(2)).join(' ')}`);
    const limits = await findLimits(talks(BARE_TALKS, BARE_TALK_MS), folder);
    printLimits(limits);
    const measure = async (count: number): Promise<Load> => {
      const result = await runLoad(talks(count, talkLengthMs(count, shape)), shape, folder);
      const load = { count, result, isHeld: result.streams.every((stream) => isStreamHeld(stream, limits)), summary: summarize(count, result, limits) };
      printLoad(load);
      return load;
    };
    const loads: Load[] = [];
    if (counts === undefined) loads.push(...(await search(limits, measure)));
    else for (const count of counts) loads.push(await measure(count));
    const after = await findLimits(talks(BARE_TALKS, BARE_TALK_MS), folder);
    conclude(loads, limits, after, shape, values.json);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function findLimits(talks: readonly Talk[], folder: string): Promise<Limits> {
  const cores = availableParallelism();
  const cut = (talk: Talk, fromMs: number, toMs: number): Int16Array => talk.samples.slice(fromMs * SAMPLES_PER_MS, toMs * SAMPLES_PER_MS);
  const spoken = talks.flatMap((talk) => talk.utterances.map(({ startMs, endMs }) => cut(talk, startMs, endMs)));
  const whole = talks.flatMap((talk) => talk.utterances.slice(0, -1).map(({ startMs }, index) => cut(talk, startMs, talk.utterances[index + 1]!.startMs)));
  const speech = await runBareEngines(cores, spoken, folder);
  const everything = await runBareEngines(cores, whole, folder);
  const texts = talks.flatMap((talk) => talk.utterances.map(({ text }) => text));
  const cpuPerTalkSecond = (speech.cpuPerSecond * speech.audioSeconds) / talks.reduce((sum, talk) => sum + spanSeconds(talk), 0);
  const wordErrorRate = sumErrors(texts.map((text, index) => wordErrors(text, speech.texts[index] ?? ''))).rate;
  return { cores, speechOnly: cores / cpuPerTalkSecond, wholeAudio: cores / everything.cpuPerSecond, wordErrorRate, speech };
}

/** From the first word to what would be the next one's: utterances with the pause after each. */
function spanSeconds({ utterances }: Talk): number {
  const spanMs = utterances.at(-1)!.startMs - utterances[0]!.startMs;
  return (spanMs / 1000) * (utterances.length / (utterances.length - 1));
}

async function search(limits: Limits, measure: (count: number) => Promise<Load>): Promise<Load[]> {
  const loads: Load[] = [];
  let count = Math.max(2, Math.round(limits.wholeAudio * FIRST_SHARE));
  for (;;) {
    const load = await measure(count);
    loads.push(load);
    const goesDown = loads.every(({ isHeld }) => !isHeld);
    if (goesDown && count > 2) count -= STEP;
    else if (load.isHeld && loads.every(({ isHeld }) => isHeld)) count += STEP;
    else return loads;
  }
}

/** Every utterance came, in time and without falling behind, and nothing of it was lost. */
function isStreamHeld({ latenciesMs, missed, errors, wordErrorRate }: StreamOutcome, limits: Limits): boolean {
  const third = Math.floor(latenciesMs.length / 3);
  const drift = third === 0 ? 0 : quantile(latenciesMs.slice(-third), 0.5) - quantile(latenciesMs.slice(0, third), 0.5);
  const isSteady = latenciesMs.every((each) => each <= MAX_LATENESS_MS) && drift <= MAX_DRIFT_MS;
  return missed === 0 && errors.length === 0 && isSteady && wordErrorRate <= limits.wordErrorRate + MAX_MORE_ERRORS;
}

function summarize(count: number, { streams, serverCpu, engineCpu, clientCpu, machineCpu, stolenCpu }: LoadResult, limits: Limits) {
  const latencies = (transport?: string): number[] => streams.filter((each) => transport === undefined || each.transport === transport).flatMap(({ latenciesMs }) => latenciesMs);
  const other = machineCpu - serverCpu - engineCpu - clientCpu;
  const ratio = count / limits.wholeAudio;
  return {
    streams: count,
    utterances: latencies().length,
    missed: streams.reduce((sum, each) => sum + each.missed, 0),
    p50Ms: quantile(latencies(), 0.5),
    p95Ms: quantile(latencies(), 0.95),
    webrtcP95Ms: quantile(latencies('webrtc'), 0.95),
    websocketP95Ms: quantile(latencies('websocket'), 0.95),
    worstMs: quantile(latencies(), 1),
    wordErrorRate: streams.reduce((sum, each) => sum + each.wordErrorRate, 0) / streams.length,
    worstWordErrorRate: Math.max(...streams.map((each) => each.wordErrorRate)),
    lateChunks: streams.reduce((sum, each) => sum + each.lateChunks, 0),
    errors: streams.flatMap(({ errors }) => errors),
    serverCpu,
    engineCpu,
    clientCpu,
    otherCpu: other,
    stolenCpu,
    machineCpu,
    ratio,
    ratioLessClients: ratio * (limits.cores / (limits.cores - clientCpu)),
    ratioSpeechOnly: count / limits.speechOnly,
    /** Bare CPU for a stream over ours: what the ratio would be if streams held grew until the CPU is used up. */
    costRatio: limits.cores / limits.wholeAudio / ((serverCpu + engineCpu) / count),
  };
}

function printLimits({ cores, speechOnly, wholeAudio, wordErrorRate, speech }: Limits): void {
  print(`bare engine, ${cores} processes at once: ${speech.cpuPerSecond.toFixed(3)} s of CPU (${speech.wallPerSecond.toFixed(3)} s by the clock) per second of speech, word error rate ${percent(wordErrorRate)} %`);
  print(`its limit: ${wholeAudio.toFixed(1)} streams of the same audio, ${speechOnly.toFixed(1)} if it were given the speech without the pauses`);
}

function printLoad({ count, result, isHeld, summary }: Load): void {
  const { webrtcP95Ms, websocketP95Ms } = summary;
  print(`\n${count} streams, half WebRTC, half WebSocket: ${isHeld ? 'held' : 'NOT HELD'}`);
  print(`  final after speech end + ${ENDPOINT_MS} ms: p50 ${ms(summary.p50Ms)}, p95 ${ms(summary.p95Ms)} (WebRTC ${ms(webrtcP95Ms)}, WebSocket ${ms(websocketP95Ms)}), worst ${ms(summary.worstMs)}; ${summary.utterances} utterances, ${summary.missed} without final`);
  print(`  word error rate ${percent(summary.wordErrorRate)} %, of the worst stream ${percent(summary.worstWordErrorRate)} %; late chunks of the clients ${summary.lateChunks}`);
  print(`  CPU of one core: server ${percent(summary.serverCpu)} % (${percent(summary.serverCpu / count)} % a stream), engines ${percent(summary.engineCpu)} % (${percent(summary.engineCpu / count)} % a stream), clients ${percent(summary.clientCpu)} %, others ${percent(summary.otherCpu)} %, stolen ${percent(summary.stolenCpu)} %`);
  print(`  CPU of the bare engine for a stream over that of server and engines: ${summary.costRatio.toFixed(2)}`);
  for (const error of new Set(summary.errors)) print(`  error: ${error}`);
  printTable(
    ['  stage, ms', 'p50', 'p95', 'p99', 'count'],
    result.stages.map((stage) => [`  ${stage.stage}`, fine(stage.p50), fine(stage.p95), fine(stage.p99), String(stage.count)]),
  );
}

function conclude(loads: readonly Load[], limits: Limits, after: Limits, { seconds, joinMs }: LoadShape, json: boolean): void {
  const held = loads.filter(({ isHeld }) => isHeld).toSorted((a, b) => b.count - a.count)[0];
  const lightest = loads.toSorted((a, b) => a.count - b.count)[0]!;
  print(`\nmeasured ${seconds} s per load; the first ${WARM_UP_MS / 1000} s of every stream are left out; a stream joined every ${joinMs / 1000} s`);
  const isSteady = Math.abs(after.wholeAudio / limits.wholeAudio - 1) <= MAX_LIMIT_CHANGE;
  print(`the bare engine's limit after the loads: ${after.wholeAudio.toFixed(1)} (before ${limits.wholeAudio.toFixed(1)})${isSteady ? '' : ': THE MACHINE WAS NOT THE SAME ALL THE TIME, the ratios below mean little'}`);
  if (held) {
    const { ratio, ratioLessClients, ratioSpeechOnly } = held.summary;
    print(`streams held: ${held.count}; of the bare engine's limit: ${ratio.toFixed(2)}, less the clients' share of the cores ${ratioLessClients.toFixed(2)} (goal ${GOAL_RATIO}); of its limit without pauses ${ratioSpeechOnly.toFixed(2)}`);
  } else print('streams held: none of the loads');
  print(`final at p95 with ${lightest.count} streams: ${ENDPOINT_MS} ms + ${ms(lightest.summary.p95Ms)} (goal ${GOAL_LATENCY_MS} ms)`);
  if (!json) return;
  const { cores, speechOnly, wholeAudio, wordErrorRate, speech } = limits;
  const bare = { cores, speechOnly, wholeAudio, wholeAudioAfter: after.wholeAudio, isSteady, wordErrorRate, wallPerSecond: speech.wallPerSecond, cpuPerSecond: speech.cpuPerSecond };
  const plain = loads.map(({ isHeld, summary, result }) => ({ ...summary, isHeld, stages: result.stages }));
  print(JSON.stringify({ bare, loads: plain, held: held?.count ?? 0, ratio: held?.summary.ratio ?? 0, ratioLessClients: held?.summary.ratioLessClients ?? 0 }));
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const percent = (share: number): string => (share * 100).toFixed(1);
const ms = (value: number): string => `${value.toFixed(0)} ms`;
const fine = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));

await main();
