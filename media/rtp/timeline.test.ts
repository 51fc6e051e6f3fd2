import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Timeline } from './timeline.ts';

const TICKS = 960;
const SAMPLES = 320;

/** Places a 20 ms packet, advances the lane over the gap and the packet, and answers the packet's first sample. */
function play(timeline: Timeline, timestamp: number, arrivalMs: number, restart = false): number {
  const { gapSamples, surplus } = timeline.place(timestamp >>> 0, TICKS, arrivalMs, restart);
  timeline.advance(gapSamples);
  const startSample = timeline.positionSamples;
  if (!surplus) timeline.advance(SAMPLES);
  return startSample;
}

test('the first packet is sample 0 and a step of RTP time is a gap', () => {
  const timeline = new Timeline();
  assert.equal(play(timeline, 5000, 0), 0);
  assert.equal(play(timeline, 5960, 20), 320);
  assert.equal(play(timeline, 5960 + 48_000, 1020), 320 + 16_000);
});

test('positions are exact over eight hours and the 32-bit wrap', () => {
  const timeline = new Timeline();
  const start = 0xffffffff - 48_000 * 3600;
  const packets = 8 * 3600 * 50;
  for (let i = 0; i < packets; i += 1) {
    // Every tenth packet is the first after 180 ms of silence: only those are sent.
    if (i % 10 !== 0) continue;
    assert.equal(play(timeline, start + i * TICKS, i * 20), i * SAMPLES);
  }
  assert.equal(timeline.positionSamples, (packets - 9) * SAMPLES);
});

test('timestamps that are no whole sample apart add up without slipping', () => {
  const timeline = new Timeline();
  play(timeline, 0, 0);
  for (let i = 1; i <= 1000; i += 1) {
    const startSample = play(timeline, i * 1000, (i * 1000) / 48);
    assert.equal(startSample, Math.floor((i * 1000) / 3));
  }
});

test('too much announced: the audio follows at once and later gaps are shorter', () => {
  const timeline = new Timeline();
  play(timeline, 0, 0);
  timeline.advance(timeline.silentSamples(400));
  assert.equal(timeline.positionSamples, 320 + 400 * 16);
  assert.equal(play(timeline, 960, 410), 320 + 400 * 16, 'no gap, nothing dropped');
  assert.equal(play(timeline, 1920, 411), 640 + 400 * 16);
  assert.equal(play(timeline, 2880 + 48_000, 1060), 3 * 320 + 16_000, 'RTP time again after a second of silence');
});

test('silence is announced once, by arrival time', () => {
  const timeline = new Timeline();
  assert.equal(timeline.silentSamples(1000), 0, 'nothing before the first packet');
  play(timeline, 0, 100);
  assert.equal(timeline.silentSamples(50), 0);
  timeline.advance(timeline.silentSamples(200));
  assert.equal(timeline.silentSamples(200), 0);
  assert.equal(timeline.silentSamples(300), 1600);
});

test('a new clock is placed by arrival: restart, step back, step beyond the time that passed', () => {
  for (const [timestamp, restart] of [
    [123_456_789, true],
    [0x80000000, false],
    [960 * 12 - 48_000, false],
    [48_000 * 60, false],
  ] as const) {
    const timeline = new Timeline();
    play(timeline, 960 * 10, 0);
    play(timeline, 960 * 11, 20);
    assert.equal(play(timeline, timestamp, 1040, restart), 640 + 16_000);
    assert.equal(play(timeline, timestamp + 960, 1060), 640 + 16_000 + 320);
  }
});

test('a clock that stood still while time was announced goes on from where the lane is', () => {
  const timeline = new Timeline();
  play(timeline, 0, 0);
  timeline.advance(timeline.silentSamples(3_600_000));
  const resumed = 320 + 3_600_000 * 16;
  assert.equal(play(timeline, 960, 3_600_000), resumed);
  assert.equal(play(timeline, 1920, 3_600_020), resumed + 320);
  assert.equal(play(timeline, 2880 + 48_000, 3_601_040), resumed + 320 + 16_000, 'and counts from where its arrival was');
});

test('a sender that claims more audio than time has passed is held to two seconds ahead', () => {
  const timeline = new Timeline();
  let kept = 0;
  for (let i = 0; i < 1000; i += 1) {
    const before = timeline.positionSamples;
    play(timeline, i * TICKS, 0);
    if (timeline.positionSamples > before) kept += 1;
  }
  assert.equal(kept, 100);
  play(timeline, 1000 * TICKS, 20_000);
  assert.ok(timeline.positionSamples <= 22_100 * 16);
});

test('whatever a sender does, gaps are whole, never negative, and the lane never runs ahead of time', () => {
  const step = fc.record({
    timestamp: fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 96_000 })),
    ticks: fc.constantFrom(120, 480, 960, 2880, 5760),
    elapsedMs: fc.oneof(fc.integer({ min: 0, max: 200 }), fc.double({ min: 0, max: 1e7, noNaN: true })),
    restart: fc.boolean(),
    announce: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const timeline = new Timeline();
      let nowMs = 0;
      let elapsedMs = 0;
      for (const [i, { timestamp, ticks, elapsedMs: byMs, restart, announce }] of steps.entries()) {
        nowMs += byMs;
        if (i > 0) elapsedMs += byMs;
        if (announce) {
          const silent = timeline.silentSamples(nowMs);
          assert.ok(Number.isInteger(silent) && silent >= 0);
          timeline.advance(silent);
        }
        const { gapSamples, surplus } = timeline.place(timestamp, ticks, nowMs, restart);
        assert.ok(Number.isInteger(gapSamples) && gapSamples >= 0);
        timeline.advance(gapSamples);
        if (!surplus) timeline.advance(ticks / 3);
        assert.ok(timeline.positionSamples / 16 <= elapsedMs * 1.001 + 2000);
      }
    }),
  );
});
