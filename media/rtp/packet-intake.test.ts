import assert from 'node:assert/strict';
import test from 'node:test';
import type { RtpFormats } from './formats.ts';
import { PacketIntake } from './packet-intake.ts';
import type { RtpPacket } from './packet.ts';
import { TargetDelay } from './target-delay.ts';
import { nackedNumbers, OPUS_TOC, plainPacket as packet } from './testing/lossy-call.ts';
import { Randomness } from './testing/randomness.ts';

const FORMATS: RtpFormats = { opus: [111], red: [63], rtx: [], nack: true };

/** The packet with a whole copy of the one before it. */
const redundant = (number: number): RtpPacket => ({
  ...packet(number),
  payloadType: 63,
  payload: Uint8Array.of(0x80 | 111, 960 >> 6, 0, 2, 111, OPUS_TOC, (number - 1) & 0xff, OPUS_TOC, number & 0xff),
});

/** An intake whose requests are read back: sequence numbers of each NACK. */
function rig(formats: RtpFormats = FORMATS) {
  const asked: number[][] = [];
  const sendRtcp = (bytes: Uint8Array): void => {
    const numbers = nackedNumbers(bytes);
    if (numbers.length > 0) asked.push(numbers);
  };
  const intake = new PacketIntake({ formats, sendRtcp });
  const out: string[] = [];
  const pop = (nowMs: number): void => {
    for (const item of intake.pop(nowMs)) out.push(item.kind === 'lost' ? `-${String(item.count)}` : `${String(item.packet.sequenceNumber)}${item.isCopy ? '=' : ''}`);
  };
  const push = (each: RtpPacket, nowMs: number): void => {
    intake.push(each, nowMs);
    pop(nowMs);
  };
  return { intake, asked, out, push, pop };
}

test('what a later packet carries whole goes out at once, marked as a copy', () => {
  const { out, push, intake } = rig();
  for (const number of [1, 2, 4, 5]) push(redundant(number), number * 20);
  assert.deepEqual(out, ['1', '2', '3=', '4', '5']);
  const { lost, recoveredByRed } = intake.stats();
  assert.deepEqual([lost, recoveredByRed], [1, 1]);
});

test('a lost packet is asked for at once, again after a round trip, and given up in time', () => {
  const { asked, out, push, pop, intake } = rig();
  intake.setRoundTrip(50);
  for (const number of [1, 2, 4]) push(packet(number), number * 20);
  assert.deepEqual(asked, [[3]]);
  pop(intake.nextDueMs() ?? 0);
  assert.deepEqual(asked, [[3], [3]]);
  assert.deepEqual(out, ['1', '2']);
  pop(80 + 120);
  assert.deepEqual(out, ['1', '2', '-1', '4']);
  assert.deepEqual(asked, [[3], [3]], 'a third answer would have come too late');
  assert.equal(intake.nextDueMs(), undefined);
});

test('what was asked for and comes in time is recovered, and its time tells the round trip', () => {
  const { out, push, intake } = rig();
  for (const number of [1, 2, 4]) push(packet(number), number * 20);
  push(packet(3), 80 + 40);
  assert.deepEqual(out, ['1', '2', '3', '4']);
  const { recoveredByRetransmission, lost, reordered, roundTripMs, retransmissionsAsked } = intake.stats();
  assert.deepEqual([recoveredByRetransmission, lost, reordered, roundTripMs, retransmissionsAsked], [1, 0, 0, 40, 1]);
});

test('answers that come twice or too late do not lengthen what is expected', () => {
  const { push, pop, intake } = rig();
  intake.setRoundTrip(50);
  for (let number = 1; number < 200; number += 1) {
    if (number % 10 === 0) continue;
    push(packet(number), number * 20);
    pop(number * 20 + 19);
    if (number % 10 === 9 && number > 10) for (const again of [1, 2]) push(packet(number - 9), number * 20 + again);
  }
  assert.ok(intake.expectedMs < 180, String(intake.expectedMs));
});

test('nothing is asked for where the answer would come too late, or where it was not negotiated', () => {
  const far = rig();
  far.intake.setRoundTrip(400);
  const silent = rig({ ...FORMATS, nack: false });
  for (const { push } of [far, silent]) for (const number of [1, 2, 4]) push(packet(number), number * 20);
  assert.deepEqual([far.asked, silent.asked], [[], []]);
});

test('a sender that answers nothing is waited for no longer than without asking', () => {
  const { push, pop, intake } = rig();
  intake.setRoundTrip(50);
  for (let number = 1; number < 300; number += 1) {
    if (number % 5 === 0) continue;
    push(packet(number), number * 20);
    for (let due = intake.nextDueMs(); due !== undefined && due <= number * 20 + 19; due = intake.nextDueMs()) pop(due);
  }
  assert.equal(intake.stats().recoveredByRetransmission, 0);
  assert.deepEqual([intake.expectedMs, intake.stats().targetDelayMs], [30, 30]);
  assert.ok(intake.stats().retransmissionsAsked < 40, String(intake.stats().retransmissionsAsked));
});

test('where packets come out of order, they are first waited for', () => {
  const { push, pop, asked, intake } = rig();
  intake.setRoundTrip(40);
  const random = new Randomness(3);
  const arrivals = Array.from({ length: 400 }, (_, number) => ({ number, atMs: number * 20 + random.next() * 50 })).sort((a, b) => a.atMs - b.atMs);
  for (const { number, atMs } of arrivals) {
    for (let due = intake.nextDueMs(); due !== undefined && due <= atMs; due = intake.nextDueMs()) pop(due);
    push(packet(number), atMs);
  }
  const { reordered, lost } = intake.stats();
  assert.equal(lost, 0);
  assert.ok(reordered > 40);
  assert.ok(asked.flat().length < reordered / 5, `${String(asked.flat().length)} of ${String(reordered)}`);
});

test('the target grows with the jitter, within its bounds, and falls when the network is good again', () => {
  const target = new TargetDelay({ minMs: 30, maxMs: 200 });
  const random = new Randomness(9);
  let number = 0;
  const run = (packets: number, jitterMs: number): number => {
    for (const end = number + packets; number < end; number += 1) target.observe(packet(number), number * 20 + random.next() * jitterMs);
    return target.targetMs;
  };
  assert.equal(run(100, 2), 30);
  const jittery = run(250, 100);
  assert.ok(jittery > 80 && jittery <= 110, String(jittery));
  assert.equal(run(500, 1000), 200);
  assert.equal(run(4000, 2), 30);
});
