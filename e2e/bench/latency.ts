/**
 * From the microphone's sample to PCM at the lane: how old audio is when an engine hands it out, by a marked signal, through a real Chromium and through
 * a sender of Node's, over a clean network and over one that loses and delays.
 *   npm run bench:latency -- [--loss 0,5,10,20] [--delay MS] [--jitter MS] [--seconds N] [--engines werift,threads,mediasoup] [--senders node,chromium] [--json]
 * Loss comes with the delay and the jitter; without loss the network is clean. Exit code 1 if a clean p99 is more than 60 ms above the network and the codec.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { opusPackets, WebRtcClient } from '../clients/webrtc.ts';
import { ImpairedNetwork, type Impairment } from '../impaired-network.ts';
import { convertForCall } from '../speech.ts';
import { receiverOf } from './ingest-processes.ts';
import type { LaneRecord } from './ingest-messages.ts';
import { MicrophonePage } from './latency-browser.ts';
import { monotonicMs } from './live-messages.ts';
import { laneAges, markedWav, MARK_EVERY_MS } from './marks.ts';
import { printTable } from './table.ts';

/** A packet's 20 ms, which are over before it can be sent, and the 6.5 ms that Opus looks ahead. */
const CODEC_MS = 26.5;
const MAX_CLEAN_MS = 60;
const PACKET_MS = 20;
/** Connecting, and the first seconds in which a buffer learns its network. */
const SETTLE_MS = 3000;
const FEC_FOR_LOSS_PERCENT = 10;

interface Row {
  readonly sender: string;
  readonly engine: string;
  readonly lossPercent: number;
  readonly pieces: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Of the p99, what neither network nor codec took. */
  readonly aboveMs: number;
}

interface Case {
  readonly engine: string;
  readonly network: ImpairedNetwork;
}

/** Publishes the marked signal through the case's network for a while; answers when the microphone had each mark. */
type Publish = (each: Case, answer: (offer: string) => Promise<string>, durationMs: number) => Promise<readonly number[]>;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      loss: { type: 'string', default: '0,5,10,20' },
      delay: { type: 'string', default: '40' },
      jitter: { type: 'string', default: '30' },
      seconds: { type: 'string', default: '20' },
      engines: { type: 'string', default: 'werift,threads,mediasoup' },
      senders: { type: 'string', default: 'node,chromium' },
      json: { type: 'boolean', default: false },
    },
  });
  const [delayMs, jitterMs, durationMs] = [Number(values.delay), Number(values.jitter), Number(values.seconds) * 1000 + SETTLE_MS];
  const losses = values.loss.split(',').map(Number);
  await using folder = await Folder.make();
  const rows: Row[] = [];
  for (const sender of values.senders.split(',')) {
    await using publisher = sender === 'chromium' ? await Chromium.open(folder.path, losses.length * (durationMs + 10_000)) : await NodeSender.open(folder.path, durationMs);
    for (const lossPercent of losses) {
      const impairment = lossPercent === 0 ? {} : { loss: lossPercent / 100, delayMs, jitterMs };
      const measured = await Promise.all(values.engines.split(',').map((engine) => measure(engine, impairment, publisher.publish, durationMs)));
      rows.push(...measured.flatMap((ages, i) => (ages ? [rowOf(sender, values.engines.split(',')[i] ?? '', lossPercent, impairment.delayMs ?? 0, ages)] : [])));
    }
  }
  return report(rows, values.json);
}

/** Undefined, and said aloud, if the engine cannot be had here. */
async function measure(engine: string, impairment: Impairment, publish: Publish, durationMs: number): Promise<Float64Array | undefined> {
  await using receiver = await receiverOf(engine);
  if (!receiver) return undefined;
  await using network = await ImpairedNetwork.open(impairment);
  receiver.tell({ kind: 'record' });
  const answer = async (sdp: string): Promise<string> => network.answer((await receiver.ask({ kind: 'offer', id: 0, sdp: network.offer(sdp) }, 'answer', 0)).sdp);
  const marks = await publish({ engine, network }, answer, durationMs);
  const record = await receiver.ask({ kind: 'take' }, 'record');
  return laneAges(settled(record), marks);
}

/** Without what came while the connection was new. */
function settled({ items, onsets }: LaneRecord): LaneRecord {
  const fromMs = (items[0]?.[2] ?? 0) + SETTLE_MS;
  const from = items.find(([, , atMs]) => atMs >= fromMs)?.[0] ?? 0;
  return { items: items.filter(([start]) => start >= from), onsets: onsets.filter((onset) => onset >= from) };
}

/** A microphone that is a file, and a sender in this process. */
class NodeSender implements AsyncDisposable {
  readonly publish: Publish;

  static async open(folder: string, durationMs: number): Promise<NodeSender> {
    const file = path.join(folder, 'node.wav');
    await writeFile(file, markedWav(durationMs, 16_000));
    return new NodeSender(opusPackets(await readFile(await convertForCall(file, FEC_FOR_LOSS_PERCENT))));
  }

  private constructor(packets: readonly Uint8Array[]) {
    this.publish = async ({ network }, answer, durationMs) => {
      const client = new WebRtcClient({ red: true });
      await client.accept(await answer(await client.offer()));
      network.impair();
      const offsetMs = monotonicMs() - performance.now();
      const startMs = (await client.send(packets)) + offsetMs - PACKET_MS;
      await sleep(MARK_EVERY_MS);
      await client.vanish();
      return Array.from({ length: Math.floor(durationMs / MARK_EVERY_MS) }, (_, i) => startMs + (i + 1) * MARK_EVERY_MS);
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Clients leave when they have sent all.
  }
}

/** One page, whose microphone goes on from case to case. */
class Chromium implements AsyncDisposable {
  readonly publish: Publish;
  readonly #close: () => Promise<void>;

  static async open(folder: string, lengthMs: number): Promise<Chromium> {
    const file = path.join(folder, 'chromium.wav');
    await writeFile(file, markedWav(lengthMs, 48_000));
    // A microphone needs a page of loopback.
    const server = createServer((_, response) => response.end('<!doctype html>')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const page = await MicrophonePage.open(file, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return new Chromium(page, async () => {
      await page[Symbol.asyncDispose]();
      server.close();
    });
  }

  private constructor(page: MicrophonePage, close: () => Promise<void>) {
    this.#close = close;
    this.publish = async ({ network }, answer, durationMs) => {
      const { index, sdp } = await page.offer();
      await page.accept(index, await answer(sdp));
      network.impair();
      await sleep(durationMs);
      await page.leave(index);
      return await page.marks();
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

class Folder implements AsyncDisposable {
  readonly path: string;

  static async make(): Promise<Folder> {
    return new Folder(await mkdtemp(path.join(tmpdir(), 'earshot-latency-')));
  }

  private constructor(folder: string) {
    this.path = folder;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rm(this.path, { recursive: true, force: true });
  }
}

function rowOf(sender: string, engine: string, lossPercent: number, delayMs: number, ages: Float64Array): Row {
  const quantile = (share: number): number => ages[Math.min(ages.length - 1, Math.floor(ages.length * share))] ?? NaN;
  const p99Ms = quantile(0.99);
  return { sender, engine, lossPercent, pieces: ages.length, p50Ms: quantile(0.5), p95Ms: quantile(0.95), p99Ms, aboveMs: p99Ms - CODEC_MS - delayMs };
}

function report(rows: readonly Row[], json: boolean): number {
  const one = (value: number): string => value.toFixed(1);
  printTable(
    ['sender', 'engine', 'loss', 'pieces', 'p50 ms', 'p95 ms', 'p99 ms', 'p99 above network and codec'],
    rows.map((row) => [row.sender, row.engine, `${row.lossPercent} %`, String(row.pieces), one(row.p50Ms), one(row.p95Ms), one(row.p99Ms), one(row.aboveMs)]),
  );
  const clean = rows.filter(({ lossPercent }) => lossPercent === 0);
  const worstMs = Math.max(...clean.map(({ aboveMs }) => aboveMs));
  const ok = clean.every(({ aboveMs }) => aboveMs <= MAX_CLEAN_MS);
  if (clean.length > 0) process.stdout.write(`\nClean p99 is ${one(worstMs)} ms above network and codec; at most ${MAX_CLEAN_MS}: ${ok ? 'yes' : 'NO'}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ ok, codec_ms: CODEC_MS, clean_p99_above_ms: clean.length > 0 ? worstMs : null, rows })}\n`);
  return ok ? 0 : 1;
}

process.exitCode = await main();
