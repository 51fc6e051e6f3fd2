import type { RtpFormats } from '../formats.ts';
import { PacketIntake } from '../packet-intake.ts';
import type { PacketIntakeStats } from '../packet-intake.ts';
import type { RtpPacket } from '../packet.ts';
import { Randomness } from './randomness.ts';

export const OPUS_TOC = 0x48;
export const PACKET_MS = 20;
const HISTORY = 200;

export interface LossyCall {
  /** Share of the datagrams of each direction that are lost, 0 to 1. */
  readonly loss: number;
  /** Datagrams that a loss takes in a row, on average (Gilbert's model). Default 1: each by itself. */
  readonly burst?: number;
  /** One way, in ms. Default 20. */
  readonly delayMs?: number;
  readonly packets: number;
  /** Who asks for what is missing: the intake, or an engine that does so by itself, every so many ms. Default the intake. */
  readonly engineAsksEveryMs?: number;
}

export interface LossyCallResult {
  /** Share of the packets that did not come in time. */
  readonly missing: number;
  /** Packets sent again, by each packet sent. */
  readonly resent: number;
  readonly stats: PacketIntakeStats;
}

/** A packet of a plain Opus stream. */
export const plainPacket = (number: number): RtpPacket => ({
  ssrc: 7,
  payloadType: 111,
  sequenceNumber: number & 0xffff,
  timestamp: (number * PACKET_MS * 48) >>> 0,
  marker: false,
  payload: Uint8Array.of(OPUS_TOC, number & 0xff),
});

/** Sequence numbers that a NACK (RFC 4585, section 6.2.1) asks for; none of another packet. */
export function nackedNumbers(rtcp: Uint8Array): number[] {
  const numbers: number[] = [];
  if (rtcp[1] !== 205) return numbers;
  for (let at = 12; at < rtcp.length; at += 4) {
    const first = ((rtcp[at] ?? 0) << 8) | (rtcp[at + 1] ?? 0);
    const mask = ((rtcp[at + 2] ?? 0) << 8) | (rtcp[at + 3] ?? 0);
    numbers.push(first);
    for (let bit = 0; bit < 16; bit += 1) if ((mask >> bit) & 1) numbers.push((first + bit + 1) & 0xffff);
  }
  return numbers;
}

/** One direction, in which losses come in bursts. */
class Path {
  readonly #random: Randomness;
  readonly #afterLoss: number;
  readonly #afterArrival: number;
  #isLosing = false;

  constructor(loss: number, burst: number, random: Randomness) {
    this.#random = random;
    this.#afterLoss = burst > 1 ? 1 - 1 / burst : loss;
    this.#afterArrival = burst > 1 ? loss / (burst * (1 - loss)) : loss;
  }

  get loses(): boolean {
    return (this.#isLosing = this.#random.next() < (this.#isLosing ? this.#afterLoss : this.#afterArrival));
  }
}

/** Plays a call of `packets` Opus packets, without redundancy, into an intake over a network that loses in both directions. In simulated time. */
export function playLossyCall({ loss, burst = 1, delayMs = 20, packets, engineAsksEveryMs }: LossyCall): LossyCallResult {
  const random = new Randomness(11);
  const [up, down] = [new Path(loss, burst, random), new Path(loss, burst, random)];
  const formats: RtpFormats = { opus: [111], red: [], rtx: [], nack: true };
  const arriving: { atMs: number; act: () => void }[] = [];
  let [nowMs, lost, resent, sent, highest] = [0, 0, 0, 0, 0];
  const came = new Set<number>();
  const send = (number: number): void => {
    if (!up.loses) arriving.push({ atMs: nowMs + delayMs, act: () => receive(number) });
  };
  const answer = (numbers: readonly number[]): void => {
    for (const number of numbers.filter((each) => each < sent && each >= sent - HISTORY)) {
      resent += 1;
      send(number);
    }
  };
  const sendRtcp = (rtcp: Uint8Array): void => {
    const numbers = nackedNumbers(rtcp);
    if (!down.loses) arriving.push({ atMs: nowMs + delayMs, act: () => answer(numbers) });
  };
  const intake = new PacketIntake(engineAsksEveryMs === undefined ? { formats, sendRtcp } : { formats });
  const pop = (): void => {
    for (const item of intake.pop(nowMs)) if (item.kind === 'lost') lost += item.count;
  };
  const receive = (number: number): void => {
    came.add(number);
    highest = Math.max(highest, number);
    intake.push(plainPacket(number), nowMs);
  };
  const askAsEngine = (): void => {
    const missing = Array.from({ length: 40 }, (_, i) => sent - 1 - i).filter((number) => number >= 0 && number < highest && !came.has(number));
    if (missing.length > 0 && !down.loses) arriving.push({ atMs: nowMs + delayMs, act: () => answer(missing) });
  };
  for (; nowMs < packets * PACKET_MS + 1000; nowMs += 1) {
    if (nowMs % PACKET_MS === 0 && sent < packets) send(sent++);
    if (engineAsksEveryMs !== undefined && nowMs % engineAsksEveryMs === 0) askAsEngine();
    for (const { act } of arriving.filter(({ atMs }) => atMs === nowMs)) act();
    while (arriving[0] && arriving[0].atMs <= nowMs) arriving.shift();
    pop();
  }
  return { missing: lost / packets, resent: resent / packets, stats: intake.stats() };
}
