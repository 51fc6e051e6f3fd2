import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { AudioGap, LaneAudio } from '../../src/core/audio.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { opusPacketHasFec } from './opus-packet.ts';
import type { RtpPacket } from './packet.ts';
import { RtpSource } from './rtp-source.ts';
import type { RtpSourceOptions } from './rtp-source.ts';
import { OpusEncoder, packetize, speechLike } from './testing/opus-encoder.ts';

const PACKETS = packetize(speechLike(48_000 * 4, 48_000), new OpusEncoder({ fec: true }), {
  sequenceNumber: 65_500,
  timestamp: 0xffffffff - 5000,
});
const at = (i: number): RtpPacket => PACKETS[i] ?? assert.fail(`packet ${String(i)}`);

interface Arrival {
  readonly packet: RtpPacket;
  readonly atMs: number;
}

/** Plays arrivals on a manual clock, runs on for `tailMs`, closes, and answers all that came out. */
async function listen(arrivals: readonly Arrival[], tailMs = 0, options: Partial<RtpSourceOptions> = {}) {
  const clock = new ManualClock();
  const source = new RtpSource({ clock, ...options });
  for (const { packet, atMs } of arrivals) {
    clock.advance(atMs - clock.nowMs());
    source.push(packet, clock.nowMs());
  }
  clock.advance(tailMs);
  source.close();
  const items: LaneAudio[] = [];
  for await (const item of source) items.push(item);
  assertContiguous(items);
  assert.equal(clock.pendingTimers, 0);
  return { items, stats: source.stats(), gaps: items.filter((item) => item.kind === 'gap') };
}

const lengthOf = (item: LaneAudio): number => (item.kind === 'pcm' ? item.samples.length : item.lengthSamples);
const total = (items: readonly LaneAudio[]): number => items.reduce((sum, item) => sum + lengthOf(item), 0);
const onTime = (indexes: readonly number[]): Arrival[] => indexes.map((i) => ({ packet: at(i), atMs: i * 20 }));
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const brief = (gaps: readonly AudioGap[]): string[] =>
  gaps.map((gap) => `${gap.cause} ${String(gap.startSample / 16)}+${String(gap.lengthSamples / 16)}`);

function assertContiguous(items: readonly LaneAudio[]): void {
  let next = 0;
  for (const item of items) {
    assert.equal(item.startSample, next);
    assert.ok(lengthOf(item) > 0);
    next += lengthOf(item);
  }
}

/** All samples by lane position, gaps as zeros. */
function render(items: readonly LaneAudio[]): Int16Array {
  const out = new Int16Array(total(items));
  for (const item of items) if (item.kind === 'pcm') out.set(item.samples, item.startSample);
  return out;
}

test('an even stream comes out whole, at once, from sample 0, over both wraps', async () => {
  const { items, stats } = await listen(onTime(range(0, 100)));
  assert.equal(items.length, 100);
  assert.equal(total(items), 100 * 320);
  assert.deepEqual(
    { ...stats, jitterMs: 0 },
    {
      recoveredByFec: 0,
      recoveredByRed: 0,
      recoveredByRetransmission: 0,
      packetsReordered: 0,
      retransmissionsAsked: 0,
      targetDelayMs: 30,
      driftPpm: null,
      driftCorrectionSamples: 0,
      senderReports: 0,
      roundTripMs: null,
      packetsReceived: 100,
      packetsLost: 0,
      packetsLate: 0,
      packetsRecovered: 0,
      concealedSamples: 0,
      gapSamples: 0,
      jitterMs: 0,
      bufferMs: 0,
    },
  );
});

test('a packet waits for nothing while none is missing', async () => {
  const clock = new ManualClock();
  const source = new RtpSource({ clock });
  source.push(at(0), 0);
  const { value } = await source[Symbol.asyncIterator]().next();
  assert.ok(value && value.startSample === 0 && lengthOf(value) === 320);
});

test('a lost packet is recovered from the next one once the target has passed', async () => {
  const clock = new ManualClock();
  const source = new RtpSource({ clock, minTargetMs: 60, maxTargetMs: 60 });
  for (const i of [0, 1, 2, 3, 4, 5, 7]) {
    clock.advance(i * 20 - clock.nowMs());
    source.push(at(i), clock.nowMs());
  }
  clock.advance(30);
  assert.equal(source.stats().bufferMs, 30);
  assert.equal(source.stats().packetsRecovered, 0);
  clock.advance(30);
  assert.equal(source.stats().packetsRecovered, 1);
  assert.equal(source.stats().concealedSamples, 320);
  source.close();
  const items = await Array.fromAsync(source);
  assertContiguous(items);
  assert.equal(total(items), 8 * 320);
  assert.ok(items.every((item) => item.kind === 'pcm'));
});

test('the recovered audio is the audio that was lost', async () => {
  const whole = render((await listen(onTime(range(0, 50)))).items);
  const patched = render((await listen(onTime(range(0, 50).filter((i) => i !== 30)))).items);
  let [dot, a, b] = [0, 0, 0];
  for (let i = 30 * 320; i < 31 * 320; i += 1) {
    dot += (whole[i] ?? 0) * (patched[i] ?? 0);
    a += (whole[i] ?? 0) ** 2;
    b += (patched[i] ?? 0) ** 2;
  }
  assert.ok(dot / Math.sqrt(a * b) > 0.9);
});

test('sixty milliseconds of loss are concealed; of more, the first sixty and the frame that FEC gives back', async () => {
  const short = await listen(onTime([...range(0, 20), ...range(23, 60)]));
  assert.equal(short.gaps.length, 0);
  assert.equal(short.stats.concealedSamples, 960);
  const end = range(40, 60).find((i) => opusPacketHasFec(at(i).payload)) ?? assert.fail('FEC in no packet');
  const long = await listen(onTime([...range(0, end - 20), ...range(end, 60)]), 0, { muteAfterMs: 10_000 });
  assert.deepEqual(brief(long.gaps), [`loss ${String((end - 20) * 20 + 60)}+320`]);
  assert.equal(total(long.items), 60 * 320);
  assert.equal(long.stats.packetsLost, 20);
  assert.equal(long.stats.packetsRecovered, 1);
  assert.equal(long.stats.gapSamples, 320 * 16);
});

test('a step of RTP time with no packet missing is DTX', async () => {
  const skip = range(0, 10).map((i) => ({ packet: at(i), atMs: i * 20 }));
  const after = range(10, 20).map((i) => ({
    packet: { ...at(i), timestamp: (at(i).timestamp + 5 * 960) >>> 0 },
    atMs: i * 20 + 100,
  }));
  const { gaps, items } = await listen([...skip, ...after]);
  assert.deepEqual(brief(gaps), ['dtx 200+100']);
  assert.equal(total(items), 25 * 320);
});

test('silence is announced at times that all streams share, and up to when it was due', async () => {
  const clock = new ManualClock();
  const source = new RtpSource({ clock, minTargetMs: 60, maxTargetMs: 60, muteAfterMs: 300 });
  const heard: LaneAudio[] = [];
  void (async () => {
    for await (const item of source) heard.push(item);
  })();
  clock.advance(7);
  source.push(at(0), 7);
  for (const [nowMs, silentMs] of [[319, 0], [320, 240], [419, 240], [420, 340]] as const) {
    clock.advance(nowMs - clock.nowMs());
    await new Promise<void>((resolve) => setImmediate(resolve));
    assert.equal(total(heard), 320 + silentMs * 16, `after ${String(nowMs)} ms`);
  }
  source.close();
});

test('silence is announced while it lasts, sooner after a DTX packet, and RTP time has the last word', async () => {
  const resume = (i: number, laterMs: number): RtpPacket => ({
    ...at(i),
    timestamp: (at(i).timestamp + laterMs * 48) >>> 0,
  });
  const clock = new ManualClock();
  const source = new RtpSource({ clock, minTargetMs: 60, maxTargetMs: 60, dtxAfterMs: 100, muteAfterMs: 300 });
  const heard: LaneAudio[] = [];
  const reading = (async () => {
    for await (const item of source) heard.push(item);
  })();
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  source.push(at(0), 0);
  clock.advance(299);
  await settle();
  assert.equal(total(heard), 320);
  clock.advance(1);
  await settle();
  assert.equal(total(heard), 320 + 240 * 16);
  clock.advance(1000);
  await settle();
  assert.equal(total(heard), 320 + 1240 * 16);
  source.push(resume(1, 1300), clock.nowMs());
  source.push({ ...resume(2, 1300), payload: at(2).payload.subarray(0, 1) }, clock.nowMs() + 20);
  clock.advance(20);
  await settle();
  assert.equal(total(heard), 3 * 320 + 1300 * 16);
  clock.advance(100);
  await settle();
  assert.equal(total(heard), 3 * 320 + 1340 * 16);
  source.close();
  await reading;
  assertContiguous(heard);
  const causes = heard.flatMap((item) => (item.kind === 'gap' ? [item.cause] : []));
  assert.deepEqual([...new Set(causes)], ['mute', 'dtx']);
  assert.equal(causes.at(-1), 'dtx');
});

test('packets that were only late lose a sample each, and the rest of the time announced for them is taken from the next gap', async () => {
  // Packets 1 to 30 come in one burst, 600 ms late; then 2 s pass by RTP time.
  const burst = range(1, 31).map((i) => ({ packet: at(i), atMs: 600 + i * 0.1 }));
  const last = { packet: { ...at(31), timestamp: (at(31).timestamp + 48_000 * 2) >>> 0 }, atMs: 2620 };
  const { items } = await listen([{ packet: at(0), atMs: 0 }, ...burst, last]);
  const pcm = items.filter((item) => item.kind === 'pcm');
  assert.equal(total(pcm), 32 * 320 - 30);
  assert.equal(pcm.at(-1)?.startSample, 31 * 320 + 32_000);
});

test('what is lost after announced silence is not extrapolated', async () => {
  const { gaps, stats } = await listen([
    { packet: at(0), atMs: 0 },
    ...range(50, 60).map((i) => ({ packet: { ...at(i), payload: at(5).payload }, atMs: i * 20 })),
  ]);
  const fecSamples = opusPacketHasFec(at(5).payload) ? 320 : 0;
  assert.equal(stats.concealedSamples, fecSamples);
  assert.deepEqual([...new Set(gaps.map((gap) => gap.cause))], ['mute', 'loss']);
});

test('announced silence in which packets were lost is told of as loss, however late the packets behind it come', async () => {
  for (const lateMs of [0, 20, 100, 200]) {
    const { gaps } = await listen([...onTime(range(0, 10)), ...range(60, 70).map((i) => ({ packet: at(i), atMs: i * 20 + lateMs }))]);
    assert.deepEqual([...new Set(gaps.map((gap) => gap.cause))], ['mute', 'loss'], `${String(lateMs)} ms late`);
  }
  const late = range(10, 60).map((i) => ({ packet: at(i), atMs: 1200 + i * 0.1 }));
  const { gaps } = await listen([...onTime(range(0, 10)), ...late, ...onTime(range(61, 70))]);
  assert.equal(gaps.some((gap) => gap.cause === 'loss' && gap.startSample < 9600), false, 'packets that all come late are no loss');
});

test('another SSRC goes on at its time of arrival, with a decoder that knows nothing of the first', async () => {
  const second = packetize(speechLike(48_000, 48_000), new OpusEncoder(), { ssrc: 99, timestamp: 77, sequenceNumber: 9 });
  const { items } = await listen([
    ...onTime(range(0, 10)),
    ...second.slice(0, 10).map((packet, i) => ({ packet, atMs: 180 + 100 + (i + 1) * 20 })),
  ]);
  assert.equal(total(items), 20 * 320 + 100 * 16);
  const alone = await listen(second.slice(0, 10).map((packet, i) => ({ packet, atMs: i * 20 })));
  assert.deepEqual(render(items).subarray(10 * 320 + 1600), render(alone.items));
});

test('a corrupt packet is a lost packet', async () => {
  const arrivals = onTime(range(0, 20)).map((arrival, i) =>
    i === 10 ? { ...arrival, packet: { ...arrival.packet, payload: Uint8Array.of(0xff, 0x3f, 1) } } : arrival,
  );
  const { items, gaps, stats } = await listen(arrivals);
  assert.equal(total(items), 20 * 320);
  assert.equal(gaps.length, 0);
  assert.equal(stats.packetsLost, 1);
  assert.equal(stats.concealedSamples, 320);
});

test('padding packets have a number and no sound', async () => {
  const arrivals = onTime(range(0, 20));
  const numbered = arrivals.flatMap(({ packet, atMs }, i) => {
    const shifted = { packet: { ...packet, sequenceNumber: (packet.sequenceNumber + (i > 5 ? 1 : 0)) & 0xffff }, atMs };
    if (i !== 5) return [shifted];
    const padding = { ...packet, sequenceNumber: (packet.sequenceNumber + 1) & 0xffff, payload: new Uint8Array() };
    return [shifted, { packet: padding, atMs: atMs + 1 }];
  });
  const { items, gaps } = await listen(numbered);
  assert.equal(total(items), 20 * 320);
  assert.equal(gaps.length, 0);
});

test('the queue is bounded: the oldest audio becomes one overflow gap', async () => {
  for (const [packets, keptMs, droppedMs] of [
    [50, 1000, 0],
    [51, 1000, 20],
    [200, 1000, 3000],
  ] as const) {
    const { items, gaps, stats } = await listen(onTime(range(0, packets)), 0, { maxQueueMs: 1000 });
    assert.equal(total(items) - total(gaps), keptMs * 16);
    assert.deepEqual(brief(gaps), droppedMs > 0 ? [`overflow 0+${String(droppedMs)}`] : []);
    assert.equal(stats.gapSamples, droppedMs * 16);
  }
});

test('a lane that nobody reads holds silence as one gap', async () => {
  const { items } = await listen(onTime([0]), 3_600_000);
  assert.equal(items.length, 2);
});

test('close delivers what the buffer holds, later packets are ignored, and leaving the iteration stops all timers', async () => {
  const clock = new ManualClock();
  const source = new RtpSource({ clock });
  source.push(at(0), 0);
  source.push(at(2), 0);
  source.close();
  source.close();
  source.push(at(3), 0);
  assert.equal(total(await Array.fromAsync(source)), 3 * 320);

  const left = new RtpSource({ clock });
  left.push(at(0), 0);
  assert.equal(clock.pendingTimers, 1);
  for await (const item of left) {
    assert.equal(lengthOf(item), 320);
    break;
  }
  assert.equal(clock.pendingTimers, 0);
  left.push(at(1), 20);
  assert.equal(clock.pendingTimers, 0);
});

const arrivalsOf = (delaysMs: readonly (number | undefined)[], first: number): Arrival[] =>
  delaysMs
    .flatMap((delayMs, i) => (delayMs === undefined ? [] : [{ packet: at(first + i), atMs: i * 20 + delayMs }]))
    .sort((a, b) => a.atMs - b.atMs);

test('reordering within the target changes nothing at all', async () => {
  const straight = render((await listen(onTime(range(0, 40)))).items);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 59 }), { minLength: 39, maxLength: 39 }), async (delaysMs) => {
      const { items, stats } = await listen(arrivalsOf([0, ...delaysMs], 0), 0, { minTargetMs: 60, maxTargetMs: 60 });
      assert.deepEqual(render(items), straight);
      assert.equal(stats.packetsLost + stats.concealedSamples + stats.gapSamples, 0);
    }),
    { numRuns: 40 },
  );
});

test('whatever the network does: contiguous, and as long as what was sent', async () => {
  const delay = fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 50 }) },
    { weight: 1, arbitrary: fc.integer({ min: 50, max: 400 }) },
    { weight: 2, arbitrary: fc.constant(undefined) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(delay, { minLength: 1, maxLength: 120 }), async (delaysMs) => {
      // The last packet comes in time, so what was sent ends with it.
      const { items, stats } = await listen(arrivalsOf([0, ...delaysMs, 0], 10), 60, { muteAfterMs: 1000 });
      const sentSamples = (delaysMs.length + 2) * 320;
      assert.ok(total(items) === sentSamples, `${String(total(items))} of ${String(sentSamples)}`);
      const pcm = items.filter((item) => item.kind === 'pcm');
      const playedPackets = stats.packetsReceived - stats.packetsLate;
      assert.equal(total(pcm) - stats.concealedSamples, playedPackets * 320);
      assert.equal(total(items) - total(pcm), stats.gapSamples);
    }),
    { numRuns: 100 },
  );
});
