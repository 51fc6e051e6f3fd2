/**
 * What a received stream costs, from SRTP packet to 16 kHz PCM at the lane: CPU of the receiving processes for the engines, for the bare
 * limit and, where Debian's packages of them are installed, for pion with libopus and aiortc, one after the other in one run. aiortc is measured with at most
 * 25 streams, and always with the SRTP profile that it has (cm).
 *   npm run bench:ingest -- [--streams 25,100,200,400] [--seconds N] [--only bare,werift] [--sound fullband|wideband] [--profile gcm|cm] [--json]
 * `--sound`: what all receivers are sent: what browsers send of themselves (default), or what they send to an engine, which asks for no more than its lanes keep.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { FOREIGN } from './foreign-receivers.ts';
import { cpuSeconds, family, residentBytes } from './process-cpu.ts';
import { receiverOf, RECEIVERS, Sender } from './ingest-processes.ts';
import type { Receiver } from './ingest-processes.ts';
import { isSound, type Sound } from './opus-sound.ts';
import { printTable } from './table.ts';

const PACKETS_PER_SECOND = 50;
const SALT_BYTES: Readonly<Record<string, number>> = { cm: 14, gcm: 12 };
const srtpProfileOf = (profile: string): 1 | 7 => (profile === 'cm' ? 1 : 7);
/** Connections that are made at a time. */
const CONNECTING = 8;
/** Until the code that a packet runs through is compiled. */
const WARM_SECONDS = 4;
/** Connections that did not come about, in all of a run. */
const MAX_FAILURES = 20;
const DRAIN_MS = 500;
/** Of the sender's pause. */
const SETTLED_MS = 100;

const ENGINES: readonly string[] = ['mediasoup', 'werift'];
const OURS: readonly string[] = [...ENGINES, 'threads'];

interface Row {
  readonly receiver: string;
  readonly streams: number;
  readonly cpuUsPerPacket: number;
  readonly coresUsed: number;
  readonly lostPackets: number;
  /** The sender had no turn for them in time: not the receiver's. */
  readonly latePackets: number;
  readonly loopP99Ms: number;
  readonly bytesPerStream: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      streams: { type: 'string', default: '25,100,200,400' },
      seconds: { type: 'string', default: '8' },
      only: { type: 'string', default: RECEIVERS.join(',') },
      sound: { type: 'string', default: 'fullband' },
      profile: { type: 'string', default: 'gcm' },
      json: { type: 'boolean' },
    },
  });
  const { sound } = values;
  if (!isSound(sound)) throw new Error(`There is no sound ${sound}.`);
  const rows: Row[] = [];
  for (const [name, streams] of runsOf(values.only.split(','), values.streams.split(',').map(Number))) {
    const row = await measure(name, streams, sound, Number(values.seconds), FOREIGN[name]?.profile ?? values.profile);
    if (!row) continue;
    rows.push(row);
    process.stderr.write(`${row.receiver} with ${String(row.streams)}: ${row.cpuUsPerPacket.toFixed(1)} us per packet, ${String(row.lostPackets)} lost, loop p99 ${row.loopP99Ms.toFixed(1)} ms\n`);
  }
  print(rows);
  const late = rows.filter((row) => row.latePackets > 0).map((row) => `${row.receiver} with ${String(row.streams)}`);
  if (late.length > 0) console.log(`\nThe sender could not keep up (${late.join(', ')}): this machine was full.`);
  if (values.json) console.log(JSON.stringify({ sound, ...summary(rows) }));
}

/** Who takes fewer streams than any that were asked for is measured with what it takes, beside the bare limit. */
function runsOf(names: readonly string[], counts: readonly number[]): (readonly [name: string, streams: number])[] {
  const most = (name: string): number => FOREIGN[name]?.maxStreams ?? Infinity;
  const apart = names.filter((name) => counts.every((streams) => streams > most(name)));
  const alike = counts.flatMap((streams) => names.filter((name) => streams <= most(name)).map((name) => [name, streams] as const));
  return [...apart.flatMap((name) => [['bare', most(name)] as const, [name, most(name)] as const]), ...alike];
}

/** Undefined, and said aloud, if the receiver cannot be had here. */
async function measure(name: string, streams: number, sound: Sound, seconds: number, profile: string): Promise<Row | undefined> {
  await using receiver = await receiverOf(name);
  if (!receiver) return undefined;
  await using sender = new Sender();
  await receiver.ask({ kind: 'start' }, 'started');
  const bytesBefore = sumOver(receiver.pid, residentBytes);
  if (name === 'bare') await connectBare(receiver, sender, streams, profile);
  else await connect(receiver, sender, streams, srtpProfileOf(profile));
  const warm = sender.reply('warm');
  const played = sender.ask({ kind: 'play', sound, warmSeconds: WARM_SECONDS, seconds }, 'sent');
  await warm;
  await sleep(SETTLED_MS);
  await receiver.ask({ kind: 'start' }, 'started');
  const cpuBefore = sumOver(receiver.pid, cpuSeconds);
  const beganMs = performance.now();
  const { packets: sent, late } = await played;
  const tookSeconds = (performance.now() - beganMs) / 1000;
  // What is still in the socket has been paid for when it has been taken.
  await sleep(DRAIN_MS);
  const cpu = sumOver(receiver.pid, cpuSeconds) - cpuBefore;
  const { packets, loopP99Ms } = await receiver.ask({ kind: 'stop' }, 'stopped');
  const bytesPerStream = (sumOver(receiver.pid, residentBytes) - bytesBefore) / streams;
  return { receiver: name, streams, cpuUsPerPacket: (cpu * 1e6) / packets, coresUsed: cpu / tookSeconds, lostPackets: sent - packets, latePackets: late, loopP99Ms, bytesPerStream };
}

/** The receiver's own, and of the worker processes that it has. */
const sumOver = (pid: number, of: (pid: number) => number): number => family(pid).reduce((sum, each) => sum + of(each), 0);

async function connectBare(receiver: Receiver, sender: Sender, streams: number, profile: string): Promise<void> {
  const masters = Array.from({ length: streams }, () => randomBytes(16 + (SALT_BYTES[profile] ?? 12)).toString('hex'));
  const srtpProfile = srtpProfileOf(profile);
  const { port } = await receiver.ask({ kind: 'bare', srtpProfile, masters }, 'port');
  await sender.ask({ kind: 'bare', port, srtpProfile, masters }, 'connected');
}

async function connect(receiver: Receiver, sender: Sender, streams: number, srtpProfile: 1 | 7): Promise<void> {
  let next = 0;
  let wanted = streams;
  let failures = 0;
  const worker = async (): Promise<void> => {
    while (wanted > 0) {
      wanted -= 1;
      const id = next++;
      const { sdp: offer } = await sender.ask({ kind: 'offer', id, srtpProfile }, 'offer', id);
      const { sdp: answer } = await receiver.ask({ kind: 'offer', id, sdp: offer }, 'answer', id);
      const outcome = sender.outcome(id);
      sender.tell({ kind: 'answer', id, sdp: answer });
      if (await outcome) continue;
      // On a machine without a turn to spare a handshake may run out of time.
      wanted += 1;
      failures += 1;
      if (failures > MAX_FAILURES) throw new Error(`${String(failures)} connections failed.`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTING }, worker));
  if (failures > 0) process.stderr.write(`${String(failures)} connections failed and were made again.\n`);
}

function print(rows: readonly Row[]): void {
  const bareAt = (streams: number): number | undefined => rows.find((row) => row.receiver === 'bare' && row.streams === streams)?.cpuUsPerPacket;
  const two = (value: number): string => value.toFixed(2);
  printTable(
    ['receiver', 'streams', 'us per packet', '% of a core per stream', 'times bare', 'cores', 'lost', 'sent late', 'loop p99 ms', 'KB per stream'],
    rows.map((row) => [
      row.receiver,
      String(row.streams),
      row.cpuUsPerPacket.toFixed(1),
      two((row.cpuUsPerPacket * PACKETS_PER_SECOND) / 1e4),
      two(row.cpuUsPerPacket / (bareAt(row.streams) ?? NaN)),
      two(row.coresUsed),
      String(row.lostPackets),
      String(row.latePackets),
      row.loopP99Ms.toFixed(1),
      (row.bytesPerStream / 1024).toFixed(0),
    ]),
  );
}

/** Of the largest number of streams, of each receiver and in all; ratios that were not measured are null. */
function summary(rows: readonly Row[]): object {
  const streams = Math.max(...rows.map((row) => row.streams));
  const ratio = (name: string): number | null => {
    const row = rows.findLast(({ receiver }) => receiver === name);
    const bare = rows.find((other) => other.receiver === 'bare' && other.streams === row?.streams);
    return row && bare ? row.cpuUsPerPacket / bare.cpuUsPerPacket : null;
  };
  const ours = rows.filter((row) => OURS.includes(row.receiver));
  const bytesOf = (names: readonly string[]): number | null => {
    const bytes = rows.filter((row) => row.streams === streams && names.includes(row.receiver)).map((row) => row.bytesPerStream);
    return bytes.length > 0 ? Math.max(...bytes) : null;
  };
  return {
    streams,
    mediasoup_vs_bare: ratio('mediasoup'),
    werift_vs_bare: ratio('werift'),
    pion_vs_bare: ratio('pion'),
    aiortc_vs_bare: ratio('aiortc'),
    late_packets: rows.reduce((sum, row) => sum + row.latePackets, 0),
    lost_packets: ours.reduce((sum, row) => sum + row.lostPackets, 0),
    loop_p99_ms: Math.max(...ours.map((row) => row.loopP99Ms)),
    bytes_per_stream: bytesOf(ENGINES),
    // With the 35 MB that each thread takes for itself.
    threads_bytes_per_stream: bytesOf(['threads']),
    rows,
  };
}

await main();
