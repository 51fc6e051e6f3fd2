import assert from 'node:assert/strict';
import test from 'node:test';
import type { LaneAudio } from '../../src/core/audio.ts';
import { ManualClock } from '../../src/core/clock.ts';
import type { RtpPacket } from './packet.ts';
import { RtpSource } from './rtp-source.ts';
import { OpusEncoder, packetize, speechLike } from './testing/opus-encoder.ts';
import { Randomness } from './testing/randomness.ts';

const SPEECH = packetize(speechLike(48_000 * 2, 48_000), new OpusEncoder()).map(({ payload }) => payload);
const DTX_PAYLOAD = SPEECH[0]?.subarray(0, 1) ?? assert.fail();

/** A sender whose audio clock is off by `ppm`, 1.5 s of speech and 58.5 s of DTX in turn, muted for 2 of every 10 minutes. */
interface Sender {
  readonly ppm: number;
  readonly hours: number;
  /** One way, in ms, without the jitter. */
  readonly networkMs?: number;
  readonly jitterMs?: number;
  /** The wall clock of its sender reports: right, or off as its audio clock is. Default: it sends none. */
  readonly reports?: 'right' | 'off' | undefined;
  /** Speaks all the time. Default false. */
  readonly always?: boolean;
  /** At these hours it begins another stream. */
  readonly restartsAtHours?: readonly number[];
}

interface Sent {
  readonly packet: RtpPacket;
  /** True time at which its first sample was captured, and at which it arrives. */
  readonly capturedMs: number;
  readonly arrivalMs: number;
}

function* send(sender: Sender, random: Randomness): Generator<Sent> {
  const { ppm, hours, networkMs = 20, jitterMs = 30 } = sender;
  const trueMs = (ticks: number): number => ticks / 48 / (1 + ppm / 1e6);
  const restarts = (sender.restartsAtHours ?? []).map((hour) => hour * 3600_000);
  let [ssrc, sequenceNumber, timestampBase, spoken] = [7, 65_000, 0xffff_0000, 0];
  for (let ticks = 0; trueMs(ticks) < hours * 3600_000; ticks += 960) {
    const cycle = sender.always === true ? 0 : (ticks / 960) % 3000;
    const isMuted = (ticks / 48_000) % 600 > 480 && sender.always !== true;
    // Comfort packets come every 500 ms.
    if (isMuted || (cycle >= 75 && cycle % 25 !== 0)) continue;
    const restart = restarts[0];
    if (restart !== undefined && trueMs(ticks) > restart) {
      restarts.shift();
      [ssrc, sequenceNumber, timestampBase] = [ssrc + 1, random.below(0x10000), random.below(2 ** 32)];
    }
    const payload = cycle >= 75 ? DTX_PAYLOAD : (SPEECH[(spoken += 1) % SPEECH.length] ?? DTX_PAYLOAD);
    const packet = { ssrc, payloadType: 111, sequenceNumber, timestamp: (timestampBase + ticks) >>> 0, marker: false, payload };
    sequenceNumber = (sequenceNumber + 1) & 0xffff;
    const capturedMs = trueMs(ticks);
    yield { packet, capturedMs, arrivalMs: trueMs(ticks + 960) + networkMs + random.next() * jitterMs };
  }
}

/** Sender report: wall clock, which runs so much too fast, and RTP time of the same moment, the latter rounded as senders do. */
function reportOf({ packet, capturedMs }: Sent, ppm: number): Uint8Array {
  const wallMs = capturedMs * (1 + ppm / 1e6);
  const view = new DataView(new ArrayBuffer(28));
  view.setUint16(0, 0x80c8);
  view.setUint16(2, 6);
  view.setUint32(4, packet.ssrc);
  view.setUint32(8, Math.floor(wallMs / 1000) + 3_900_000_000);
  view.setUint32(12, (wallMs % 1000) * (2 ** 32 / 1000));
  view.setUint32(16, packet.timestamp);
  return new Uint8Array(view.buffer);
}

/** Plays the sender into a source by the simulated clock; answers the greatest difference of a frame's place from its true time, in ms. */
async function worstError(sender: Sender): Promise<{ worstMs: number; frames: number; stats: ReturnType<RtpSource['stats']> }> {
  const clock = new ManualClock();
  const source = new RtpSource({ clock });
  const random = new Randomness(5);
  const captured: number[] = [];
  let [frames, worstMs, nextReportMs, heardUntil, lastSsrc] = [0, 0, 0, 0, 0];
  const check = (item: LaneAudio): void => {
    assert.equal(item.startSample, heardUntil);
    heardUntil += item.kind === 'pcm' ? item.samples.length : item.lengthSamples;
    if (item.kind !== 'pcm') return;
    const errorMs = Math.abs(item.startSample / 16 - (captured[frames] ?? assert.fail('more frames than packets')));
    frames += 1;
    if (errorMs > worstMs) worstMs = errorMs;
  };
  const reading = (async () => {
    for await (const item of source) check(item);
  })();
  const waiting: Sent[] = [];
  const deliver = (sent: Sent): void => {
    clock.advance(Math.max(0, sent.arrivalMs - clock.nowMs()));
    source.push(sent.packet, clock.nowMs());
    if (sender.reports === undefined || clock.nowMs() < nextReportMs) return;
    nextReportMs = clock.nowMs() + 5000;
    source.receiveRtcp(reportOf(sent, sender.reports === 'off' ? sender.ppm : 0), clock.nowMs());
  };
  let sinceRead = 0;
  for (const sent of send(sender, random)) {
    // The first packet of another stream waits for the second to be believed, and silence may be announced in its place meanwhile.
    captured.push(sent.packet.ssrc === lastSsrc ? sent.capturedMs : NaN);
    lastSsrc = sent.packet.ssrc;
    waiting.push(sent);
    waiting.sort((a, b) => a.arrivalMs - b.arrivalMs);
    while (waiting[0] && waiting[0].arrivalMs <= sent.capturedMs) deliver(waiting.shift() ?? sent);
    if ((sinceRead += 1) % 100 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  for (const sent of waiting) deliver(sent);
  source.close();
  await reading;
  return { worstMs, frames, stats: source.stats() };
}

for (const [ppm, reports] of [[-200, undefined], [200, 'right'], [200, 'off']] as const) {
  test(`eight hours with a clock ${String(ppm)} ppm fast, the wall clock of its reports ${reports ?? 'not told'}: every frame within one frame of its true time`, async () => {
    const { worstMs, frames, stats } = await worstError({ ppm, hours: 8, jitterMs: 10, restartsAtHours: [3, 6.5], reports });
    assert.equal(stats.packetsLost, 0);
    assert.ok(frames > 70_000);
    assert.ok(worstMs < 20, `${String(worstMs)} ms`);
    assert.ok(Math.abs((stats.driftPpm ?? 0) - ppm) < 5, `${String(stats.driftPpm)} ppm`);
    const expectedSamples = (-ppm / 1e6) * 8 * 3600 * 16_000;
    assert.ok(Math.abs(stats.driftCorrectionSamples - expectedSamples) < 3200, String(stats.driftCorrectionSamples));
  });
}

test('a clock that is right is not corrected', async () => {
  const { worstMs, stats } = await worstError({ ppm: 0, hours: 1 });
  assert.ok(worstMs < 1, `${String(worstMs)} ms`);
  assert.equal(stats.driftCorrectionSamples, 0);
});

test('without a pause the frames themselves take the drift, a sample at a time', async () => {
  // Of a clock that is slow by so much only reports tell in time, before its drift is known: without them this is 28 ms.
  for (const [ppm, reports] of [[500, undefined], [500, 'right'], [500, 'off'], [-900, 'right']] as const) {
    const { worstMs, stats } = await worstError({ ppm, hours: 0.12, always: true, reports, jitterMs: 80 });
    assert.ok(worstMs < 20, `${String(worstMs)} ms`);
    assert.equal(stats.gapSamples, 0);
    assert.ok(Math.abs((stats.driftPpm ?? 0) - ppm) < 25, `${String(stats.driftPpm)} ppm`);
  }
});
