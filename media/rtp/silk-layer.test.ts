import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { opusPacketTicks } from './opus-packet.ts';
import { OpusDecoder, TICKS_PER_SAMPLE } from './opus.ts';
import { silkLayer } from './silk-layer.ts';
import { OpusEncoder, speechLike } from './testing/opus-encoder.ts';
import { PlainOpusDecoder } from './testing/plain-opus-decoder.ts';

const to = new Uint8Array(1276);
const isHybrid = (packet: Uint8Array): boolean => [12, 13, 14, 15].includes((packet[0] ?? 0) >> 3);

/** 0 to 1, the same in every run. */
function lots(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 8) / 2 ** 24;
  };
}

/** A voice with hiss up to the top, as a microphone hears it. */
function hissing(samples: number): Int16Array {
  const next = lots(1);
  return speechLike(samples, 48_000).map((sample) => sample + Math.round((next() - 0.5) * 3000));
}

function packets(packetMs: number, count: number, encoder: OpusEncoder, before?: (i: number) => void): Uint8Array[] {
  const step = packetMs * 48;
  const sound = hissing(step * count);
  return Array.from({ length: count }, (_, i) => {
    before?.(i);
    return encoder.encode(sound.subarray(i * step, (i + 1) * step));
  });
}

test('a lane hears of hybrid packets what libopus hears, to the bit, without what lies above 8 kHz', () => {
  for (const packetMs of [10, 20]) {
    for (const bitrateBps of [16_000, 24_000, 32_000, 48_000, 64_000]) {
      for (const fec of [false, true]) {
        const encoder = new OpusEncoder({ bitrateBps, fec });
        encoder.force('hybrid');
        const hybrids = packets(packetMs, 200, encoder).filter(isHybrid);
        const [decoder, plain] = [new OpusDecoder(), new PlainOpusDecoder()];
        let [bytes, cutBytes, cuts] = [0, 0, 0];
        for (const packet of hybrids) {
          const cut = silkLayer(packet, to);
          if (cut > 0) [bytes, cutBytes, cuts] = [bytes + packet.length, cutBytes + cut, cuts + 1];
          assert.deepEqual(decoder.decode(packet), plain.decode(packet, packetMs * 16));
        }
        const what = `${String(packetMs)} ms, ${String(bitrateBps)} bit/s${fec ? ', FEC' : ''}`;
        assert.ok(cuts >= 0.95 * hybrids.length, `${what}: ${String(cuts)} of ${String(hybrids.length)}`);
        assert.ok(cuts === 0 || cutBytes < bytes, what);
      }
    }
  }
});

test('the same where codecs change and packets are lost', () => {
  const next = lots(2);
  for (const packetMs of [10, 20]) {
    const encoder = new OpusEncoder({ bitrateBps: 32_000, fec: true });
    const modes = ['hybrid', 'silk', 'hybrid', 'celt'] as const;
    const samples = packetMs * 16;
    const [decoder, plain] = [new OpusDecoder(), new PlainOpusDecoder()];
    const seen = new Set<number>();
    let isLost = false;
    for (const packet of packets(packetMs, 1500, encoder, (i) => i % 13 === 0 && encoder.force(modes[Math.floor(next() * modes.length)] ?? 'hybrid'))) {
      seen.add((packet[0] ?? 0) >> 3);
      if (isLost) assert.deepEqual(decoder.recover(packet, samples), plain.decode(packet, samples, true));
      isLost = false;
      const lot = next();
      if (lot < 0.05) assert.deepEqual(decoder.conceal(samples), plain.decode(null, samples));
      else if (lot < 0.1) isLost = true;
      else assert.deepEqual(decoder.decode(packet), plain.decode(packet, samples));
    }
    assert.ok([...seen].some((each) => each >= 16) && [...seen].some((each) => each >= 12 && each < 16), `configurations: ${[...seen].join(' ')}`);
  }
});

test('the same where what was between two hybrid packets did not come', () => {
  const encoder = new OpusEncoder({ bitrateBps: 32_000 });
  const [decoder, plain] = [new OpusDecoder(), new PlainOpusDecoder()];
  let changes = 0;
  let wasHybrid = true;
  for (const packet of packets(20, 400, encoder, (i) => i % 5 === 0 && encoder.force(i % 2 === 0 ? 'hybrid' : 'celt'))) {
    if (isHybrid(packet)) assert.deepEqual(decoder.decode(packet), plain.decode(packet, 320));
    if (isHybrid(packet) !== wasHybrid) changes += 1;
    wasHybrid = isHybrid(packet);
  }
  assert.ok(changes > 50, `changes: ${String(changes)}`);
});

test('the same of any bytes that call themselves hybrid', () => {
  const packet = fc.tuple(fc.integer({ min: 12, max: 15 }), fc.uint8Array({ maxLength: 300, size: 'max' })).map(([configuration, bytes]) => Uint8Array.of(configuration << 3, ...bytes));
  let cuts = 0;
  fc.assert(
    fc.property(fc.array(packet, { minLength: 2, maxLength: 12 }), (stream) => {
      const [decoder, plain] = [new OpusDecoder(), new PlainOpusDecoder()];
      for (const each of stream) {
        if (silkLayer(each, to) > 0) cuts += 1;
        assert.deepEqual(decoder.decode(each), plain.decode(each, (opusPacketTicks(each) ?? 0) / TICKS_PER_SAMPLE));
      }
    }),
    { numRuns: 1000, seed: 3 },
  );
  assert.ok(cuts > 1000, `cut: ${String(cuts)}`);
});

test('other packets are left as they are', () => {
  const encoder = new OpusEncoder({ bitrateBps: 32_000 });
  encoder.force('hybrid');
  const hybrid = packets(20, 10, encoder).at(-1) ?? assert.fail();
  assert.ok(silkLayer(hybrid, to) > 0);
  const head = hybrid[0] ?? 0;
  const withHead = (toc: number): Uint8Array => Uint8Array.of(toc, ...hybrid.subarray(1));
  for (const [what, packet] of Object.entries({
    'SILK alone': withHead(9 << 3),
    'CELT alone': withHead(31 << 3),
    stereo: withHead(head | 4),
    'two frames': withHead(head | 1),
    'cut short': hybrid.subarray(0, 8),
    'nothing sent': hybrid.subarray(0, 2),
    empty: new Uint8Array(),
    'longer than a frame may be': Uint8Array.of(head, ...new Uint8Array(1300)),
  })) {
    assert.equal(silkLayer(packet, to), 0, what);
  }
});
