import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';
import { Resampler, ResamplerKernel } from './resampler.ts';

const AMPLITUDE = 26_000;
const RATES = [4000, 8000, 11_025, 12_000, 22_050, 24_000, 32_000, 37_800, 44_100, 47_999, 48_000, 96_000, 191_999, 192_000];

function sine(hz: number, rateHz: number, samples: number): Int16Array {
  return Int16Array.from({ length: samples }, (_, n) => Math.round(AMPLITUDE * Math.sin((2 * Math.PI * hz * n) / rateHz)));
}

function resample(input: Int16Array, rateHz: number, cuts: readonly number[] = []): Int16Array {
  const resampler = new Resampler(new ResamplerKernel(rateHz));
  const parts: Int16Array[] = [];
  let from = 0;
  for (const cut of [...cuts, input.length]) {
    parts.push(resampler.push(input.subarray(from, cut)));
    from = cut;
  }
  parts.push(resampler.flush());
  return Int16Array.from(parts.flatMap((part) => [...part]));
}

/** Power of the signal over power of the difference, in decibels, without the edges where the filter sees silence. */
function snrDb(actual: Int16Array, expected: Int16Array, edge = 450): number {
  let signal = 0;
  let noise = 0;
  for (let n = edge; n < actual.length - edge; n++) {
    signal += (expected[n]!) ** 2;
    noise += ((actual[n]!) - (expected[n]!)) ** 2;
  }
  return 10 * Math.log10(signal / Math.max(noise, 1e-9));
}

function levelDb(samples: Int16Array, edge = 450): number {
  let power = 0;
  for (let n = edge; n < samples.length - edge; n++) power += (samples[n]!) ** 2;
  return 10 * Math.log10(Math.max(power, 1e-9) / (samples.length - 2 * edge) / (AMPLITUDE ** 2 / 2));
}

for (const rateHz of RATES) {
  const lowerHz = Math.min(rateHz, SAMPLE_RATE_HZ);

  test(`${rateHz} Hz: sines of the passband come out in place, 75 dB above all else`, () => {
    for (const part of [0.03, 0.2, rateHz < SAMPLE_RATE_HZ ? 0.38 : 0.45]) {
      const hz = Math.round(part * lowerHz);
      const actual = resample(sine(hz, rateHz, Math.round(rateHz / 4)), rateHz);
      const snr = snrDb(actual, sine(hz, SAMPLE_RATE_HZ, actual.length));
      assert.ok(snr > 75, `${hz} Hz: ${snr.toFixed(1)} dB`);
    }
  });

  test(`${rateHz} Hz: the output has round(input * 16000 / rate) samples`, () => {
    for (const length of [0, 1, 2, 3, 100, 1601, 4001]) {
      assert.equal(resample(new Int16Array(length), rateHz).length, Math.round((length * SAMPLE_RATE_HZ) / rateHz), `${length}`);
    }
  });
}

for (const rateHz of RATES.filter((rate) => rate > 17_000)) {
  test(`${rateHz} Hz: what lies above 8 kHz is not folded back`, () => {
    for (const hz of [8100, Math.round(rateHz * 0.47)]) {
      if (hz < 8050) continue;
      const level = levelDb(resample(sine(hz, rateHz, Math.round(rateHz / 4)), rateHz));
      assert.ok(level < -70, `${hz} Hz: ${level.toFixed(1)} dB`);
    }
  });
}

test('8000 Hz: no image of the passband appears above 4 kHz', () => {
  const actual = resample(sine(3000, 8000, 4000), 8000);
  // An image would stand at 5000 Hz: correlate with it.
  let re = 0;
  let im = 0;
  for (let n = 200; n < 7400; n++) {
    re += (actual[n]!) * Math.cos((2 * Math.PI * 5000 * n) / SAMPLE_RATE_HZ);
    im += (actual[n]!) * Math.sin((2 * Math.PI * 5000 * n) / SAMPLE_RATE_HZ);
  }
  const imageDb = 20 * Math.log10((2 * Math.hypot(re, im)) / 7200 / AMPLITUDE);
  assert.ok(imageDb < -70, `${imageDb.toFixed(1)} dB`);
});

test('16000 Hz passes untouched', () => {
  const input = Int16Array.of(-32768, 1, 32767, 0);
  assert.deepEqual(resample(input, 16_000, [1]), input);
});

test('full scale saturates instead of wrapping', () => {
  const square = Int16Array.from({ length: 4800 }, (_, n) => (n % 480 < 240 ? 32767 : -32768));
  const output = resample(square, 48_000);
  assert.equal(Math.max(...output), 32767);
  assert.equal(Math.min(...output), -32768);
  for (let n = 0; n < 70; n++) assert.ok((output[n]!) > -400, `sample ${n} wrapped`);
});

test('the result does not depend on how the input is cut', () => {
  const samples = fc.int16Array({ maxLength: 900 });
  const cuts = fc.array(fc.nat(900), { maxLength: 12 });
  const rate = fc.oneof(fc.constantFrom(...RATES), fc.integer({ min: 4000, max: 192_000 }));
  fc.assert(
    fc.property(samples, cuts, rate, (input, at, rateHz) => {
      const sorted = at.map((cut) => Math.min(cut, input.length)).sort((a, b) => a - b);
      assert.deepEqual(resample(input, rateHz, sorted), resample(input, rateHz));
    }),
    { numRuns: 60 },
  );
});

test('no rate needs a big table', () => {
  for (const rateHz of [1, 7, 4001, 11_025, 15_999, 16_001, 47_999, 176_400, 191_975, 191_999]) {
    const kernel = new ResamplerKernel(rateHz);
    const coefficients = kernel.rows.length * 2 * kernel.reach;
    assert.ok(coefficients < 140_000, `${rateHz} Hz: ${coefficients}`);
  }
});
