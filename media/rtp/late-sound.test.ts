import assert from 'node:assert/strict';
import test from 'node:test';
import type { LaneAudio } from '../../src/core/audio.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { RtpSource } from './rtp-source.ts';
import { OpusEncoder, packetize, speechLike } from './testing/opus-encoder.ts';

const PACKETS = packetize(speechLike(48_000 * 8, 48_000), new OpusEncoder(), { sequenceNumber: 65_500, timestamp: 0xffffffff - 5000 });
const BEFORE = 50;

/** One second on time, then `burst` packets at once at `atMs`, one every 0.1 ms, the rest on time. All that came out. */
async function listen(options: { readonly atMs: number; readonly burst: number; readonly lost?: number; readonly stopped?: boolean; readonly retract?: boolean }) {
  const clock = new ManualClock();
  const source = new RtpSource({ clock });
  if (options.retract !== false) source.retract();
  const items: LaneAudio[] = [];
  let gaps = 0;
  const reading = (async () => {
    for await (const item of source) items.push(item);
  })();
  for (const [index, packet] of PACKETS.entries()) {
    const behind = index - BEFORE;
    if (behind >= 0 && behind < (options.lost ?? 0)) continue;
    const dueMs = options.stopped ? options.atMs + behind * 20 : index * 20;
    const atMs = behind < 0 ? index * 20 : behind < options.burst ? options.atMs + behind * 0.1 : Math.max(dueMs, options.atMs + behind * 0.1);
    while (clock.nowMs() < atMs) {
      clock.advance(Math.min(100, atMs - clock.nowMs()));
      await new Promise((resolve) => setImmediate(resolve));
    }
    source.push(packet, clock.nowMs());
    const { gapSamples } = source.stats();
    assert.ok(gapSamples >= gaps, 'only grows');
    gaps = gapSamples;
  }
  source.close();
  await reading;
  let position = 0;
  let [silence, loss, sound] = [0, 0, 0];
  for (const item of items) {
    assert.equal(item.startSample, position);
    const length = item.kind === 'pcm' ? item.samples.length : item.lengthSamples;
    position += length;
    if (item.kind === 'pcm') sound += length;
    else if (item.cause === 'mute') silence += length;
    else loss += length;
  }
  return { countedMs: gaps / 16, silenceMs: silence / 16, lossMs: loss / 16, soundMs: sound / 16, packetsLate: source.stats().packetsLate };
}

for (const outageMs of [600, 1900, 3500, 5000]) {
  test(`sound that was kept back for ${String(outageMs)} ms and comes at once takes back the silence that was announced for it`, async () => {
    const { countedMs, silenceMs, soundMs, packetsLate } = await listen({ atMs: 1000 + outageMs, burst: outageMs / 20 });
    assert.deepEqual([silenceMs, countedMs], [0, 0]);
    assert.equal(soundMs, PACKETS.length * 20);
    assert.equal(packetsLate, 0);
  });
}

test('what of it was lost is silence, and told as loss', async () => {
  const { silenceMs, lossMs, soundMs } = await listen({ atMs: 4500, burst: 175, lost: 25 });
  assert.ok(Math.abs(soundMs - (PACKETS.length - 25) * 20) < 2, 'all but a sample of some frames');
  assert.ok(lossMs > 0);
  assert.ok(Math.abs(silenceMs + lossMs - 500) <= 20, String([silenceMs, lossMs]));
});

for (const pauseMs of [1500, 3500]) {
  test(`a sender whose clock stood for ${String(pauseMs)} ms was silent`, async () => {
    const { countedMs, silenceMs } = await listen({ atMs: 1000 + pauseMs, burst: 0, stopped: true });
    assert.equal(countedMs, silenceMs);
    assert.ok(Math.abs(silenceMs - pauseMs) <= 40, String(silenceMs));
  });
}

test('who did not ask hears the silence, and then the sound', async () => {
  const { silenceMs, soundMs } = await listen({ atMs: 2900, burst: 95, retract: false });
  assert.ok(silenceMs > 1800);
  assert.ok(soundMs > 7900);
});
