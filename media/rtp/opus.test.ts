import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isDtxPacket, opusPacketHasFec, opusPacketTicks } from './opus-packet.ts';
import { OpusDecoder, opusVersion } from './opus.ts';
import { OpusEncoder, sine, speechLike } from './testing/opus-encoder.ts';

const energy = (pcm: Int16Array): number => pcm.reduce((sum, sample) => sum + sample * sample, 0) / pcm.length;

/** Correlation with a sine of any phase: 1 is the sine itself. */
function likeness(pcm: Int16Array, frequencyHz: number): number {
  let re = 0;
  let im = 0;
  pcm.forEach((sample, i) => {
    const angle = (2 * Math.PI * frequencyHz * i) / 16_000;
    re += sample * Math.cos(angle);
    im += sample * Math.sin(angle);
  });
  return (2 * (re * re + im * im)) / pcm.length / (energy(pcm) * pcm.length);
}

function correlation(a: Int16Array, b: Int16Array): number {
  const dot = a.reduce((sum, sample, i) => sum + sample * (b[i] ?? 0), 0) / a.length;
  return dot / Math.sqrt(energy(a) * energy(b) || 1);
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test('the system has libopus', () => {
  assert.match(opusVersion(), /^libopus \d/);
});

test('48 kHz speech becomes 16 kHz mono, whatever the packet size', () => {
  for (const packetMs of [2.5, 5, 10, 20, 40, 60]) {
    const encoder = new OpusEncoder();
    const decoder = new OpusDecoder();
    const step = packetMs * 48;
    const tone = sine(48_000, 440, 48_000);
    let last: Int16Array = new Int16Array();
    for (let from = 0; from + step <= 24_000; from += step) {
      const payload = encoder.encode(tone.subarray(from, from + step));
      assert.equal(opusPacketTicks(payload), step);
      const pcm = decoder.decode(payload);
      assert.ok(pcm);
      assert.equal(pcm.length, packetMs * 16);
      last = pcm;
    }
    if (packetMs >= 20) assert.ok(likeness(last, 440) > 0.95, `${String(packetMs)} ms: ${String(likeness(last, 440))}`);
  }
});

test('stereo is mixed down', () => {
  const encoder = new OpusEncoder({ channels: 2, bitrateBps: 64_000 });
  const decoder = new OpusDecoder();
  const [left, right] = [sine(9600, 440, 48_000), sine(9600, 440, 48_000)];
  const stereo = Int16Array.from({ length: 19_200 }, (_, i) => (i % 2 === 0 ? left : right)[i >> 1] ?? 0);
  let pcm: Int16Array | undefined;
  for (let from = 0; from < stereo.length; from += 1920) pcm = decoder.decode(encoder.encode(stereo.subarray(from, from + 1920)));
  assert.equal(pcm?.length, 320);
  assert.ok(likeness(pcm, 440) > 0.95);
});

test('a lost packet is recovered from the copy in the next one, better than by extrapolation', () => {
  const encoder = new OpusEncoder({ fec: true });
  const speech = speechLike(960 * 50, 48_000);
  const packets = range(50).map((i) => encoder.encode(speech.subarray(i * 960, i * 960 + 960)));
  const unlike = { packets: 0, fec: 0, extrapolation: 0 };
  for (let lost = 10; lost < 48; lost += 1) {
    const next = packets[lost + 1] ?? assert.fail();
    if (!opusPacketHasFec(next)) continue;
    const before = (): OpusDecoder => {
      const decoder = new OpusDecoder();
      for (const payload of packets.slice(0, lost)) decoder.decode(payload);
      return decoder;
    };
    const original = before().decode(packets[lost] ?? next) ?? assert.fail();
    unlike.packets += 1;
    unlike.fec += 1 - correlation(original, before().recover(next, 320) ?? assert.fail());
    unlike.extrapolation += 1 - correlation(original, before().conceal(320) ?? assert.fail());
  }
  assert.ok(unlike.packets > 20, `packets that carry FEC: ${String(unlike.packets)}`);
  assert.ok(unlike.fec < 0.6 * unlike.extrapolation, `${String(unlike.fec)} against ${String(unlike.extrapolation)}`);
});

test('without FEC no packet claims it', () => {
  const encoder = new OpusEncoder();
  for (let i = 0; i < 20; i += 1) assert.equal(opusPacketHasFec(encoder.encode(speechLike(960, 48_000))), false);
});

test('a DTX packet of one byte decodes to its 20 ms', () => {
  const encoder = new OpusEncoder({ dtx: true });
  const decoder = new OpusDecoder();
  const tone = encoder.encode(sine(960, 440, 48_000));
  decoder.decode(tone);
  let smallest = tone;
  for (let i = 0; i < 60; i += 1) {
    const payload = encoder.encode(new Int16Array(960));
    if (payload.length < smallest.length) smallest = payload;
    assert.equal(decoder.decode(payload)?.length, 320);
  }
  assert.ok(isDtxPacket(smallest));
  assert.ok(!isDtxPacket(tone));
  assert.equal(decoder.decode(smallest.subarray(0, 1))?.length, 320);
});

test('corrupt packets are refused and the stream goes on', () => {
  const encoder = new OpusEncoder();
  const decoder = new OpusDecoder();
  assert.equal(decoder.decode(new Uint8Array()), undefined);
  // Code 3 with 63 frames of 20 ms, and two frames that are longer than the packet.
  assert.equal(decoder.decode(Uint8Array.of(0xff, 0x3f, 1, 2)), undefined);
  assert.equal(decoder.decode(Uint8Array.of(0x4a, 0xfb, 1, 2)), undefined);
  assert.equal(decoder.decode(encoder.encode(sine(960, 440, 48_000)))?.length, 320);
});

test('any bytes decode to what the packet announces, or are refused', () => {
  const decoder = new OpusDecoder();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (payload) => {
      opusPacketHasFec(payload);
      const pcm = decoder.decode(payload);
      if (pcm) assert.equal(pcm.length * 3, opusPacketTicks(payload));
      const recovered = decoder.recover(payload, 960);
      assert.ok(recovered === undefined || recovered.length === 960);
    }),
    { numRuns: 2000 },
  );
});
