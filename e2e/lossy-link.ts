/**
 * One recording over a network that loses packets, for `bench:loss`: encoded, sent, received by a real {@link RtpSource} in simulated time,
 * and handed back as the lane heard it. A child process: one `LossyLinkTask` comes as a message, one `LossyLinkResult` goes back.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { SAMPLES_PER_MS } from '../../../src/core/audio.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import type { RtpPacket } from '../packet.ts';
import { RtpSource } from '../rtp-source.ts';
import { OpusEncoder, packetize } from './opus-encoder.ts';
import { Randomness } from './randomness.ts';

interface LossyLinkTask {
  /** 48 kHz mono s16 without a header; the lane's 16 kHz go to `output`. */
  readonly input: string;
  readonly output: string;
  /** 0 to 1. */
  readonly loss: number;
  /** Mean length of a burst, in packets; 1: every packet by itself. */
  readonly burst: number;
  readonly jitterMs: number;
  readonly oneWayMs: number;
  readonly means: readonly string[];
  readonly seed: number;
}

const PAYLOAD_OPUS = 111;
const PAYLOAD_RED = 63;
const NACK = 205;

/** Loses packets by two states (Gilbert): in the bad one all are lost. */
class Network {
  readonly #task: LossyLinkTask;
  readonly #random: Randomness;
  #bad = false;

  constructor(task: LossyLinkTask) {
    this.#task = task;
    this.#random = new Randomness(task.seed);
  }

  /** Time on the way; undefined if it is lost. */
  carry(): number | undefined {
    const { loss, burst, jitterMs, oneWayMs } = this.#task;
    const leave = 1 / burst;
    const enter = loss >= 1 ? 1 : (loss * leave) / (1 - loss);
    const isIndependent = burst <= 1;
    this.#bad = isIndependent ? this.#random.next() < loss : this.#bad ? this.#random.next() >= leave : this.#random.next() < enter;
    return this.#bad ? undefined : oneWayMs + this.#random.next() * jitterMs;
  }
}

function withCopy(packet: RtpPacket, before: RtpPacket | undefined): RtpPacket {
  if (!before) return { ...packet, payloadType: PAYLOAD_RED, payload: Buffer.concat([Uint8Array.of(PAYLOAD_OPUS), packet.payload]) };
  const { length } = before.payload;
  const head = Uint8Array.of(0x80 | PAYLOAD_OPUS, 960 >> 6, ((960 & 0x3f) << 2) | (length >> 8), length & 0xff, PAYLOAD_OPUS);
  return { ...packet, payloadType: PAYLOAD_RED, payload: Buffer.concat([head, before.payload, packet.payload]) };
}

function numbersAskedFor(nack: Uint8Array): number[] {
  const numbers: number[] = [];
  for (let at = 12; at + 4 <= nack.length; at += 4) {
    const first = ((nack[at] ?? 0) << 8) | (nack[at + 1] ?? 0);
    const mask = ((nack[at + 2] ?? 0) << 8) | (nack[at + 3] ?? 0);
    numbers.push(first);
    for (let bit = 0; bit < 16; bit += 1) if (((mask >> bit) & 1) === 1) numbers.push((first + bit + 1) & 0xffff);
  }
  return numbers;
}

async function run(task: LossyLinkTask) {
  const bytes = await readFile(task.input);
  const pcm = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1);
  const plain = packetize(pcm, new OpusEncoder({ fec: task.means.includes('fec') }));
  const sent = task.means.includes('red') ? plain.map((packet, i) => withCopy(packet, plain[i - 1])) : plain;
  const clock = new ManualClock();
  const network = new Network(task);
  const deliver = (packet: RtpPacket): void => {
    const wayMs = network.carry();
    if (wayMs !== undefined) clock.setTimer(wayMs, () => source.push(packet, clock.nowMs()));
  };
  const source = new RtpSource({
    clock,
    maxQueueMs: 3600_000,
    maxConcealmentMs: task.means.includes('plc') ? 60 : 0,
    formats: { opus: [PAYLOAD_OPUS], red: [PAYLOAD_RED], rtx: [], nack: task.means.includes('nack') },
    sendRtcp: (rtcp) => {
      const wayMs = rtcp[1] === NACK ? network.carry() : undefined;
      if (wayMs === undefined) return;
      clock.setTimer(wayMs, () => {
        for (const number of numbersAskedFor(rtcp)) if (sent[number]) deliver(sent[number]);
      });
    },
  });
  source.setRoundTrip(2 * task.oneWayMs);
  // The first packet arrives, so that the lane begins where the recording does.
  for (const [i, packet] of sent.entries()) {
    if (i === 0) source.push(packet, clock.nowMs());
    else deliver(packet);
    clock.advance(20);
  }
  clock.advance(1000);
  source.close();
  const lane = new Int16Array(sent.length * 20 * SAMPLES_PER_MS);
  for await (const item of source) if (item.kind === 'pcm') lane.set(item.samples.subarray(0, Math.max(0, lane.length - item.startSample)), item.startSample);
  await writeFile(task.output, new Uint8Array(lane.buffer));
  return source.stats();
}

process.once('message', (task: LossyLinkTask) => {
  void run(task).then((stats) => process.send?.(stats, undefined, undefined, () => process.disconnect?.()));
});
