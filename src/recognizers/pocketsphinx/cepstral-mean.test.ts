import assert from 'node:assert/strict';
import test from 'node:test';
import { CepstralMean } from './cepstral-mean.ts';
import { CEPSTRUM_SIZE } from './library.ts';

const constant = (value: number, frames = 1): Float32Array => new Float32Array(frames * CEPSTRUM_SIZE).fill(value);

test('before any speech the mean is the fallback, then that of all frames', () => {
  const mean = new CepstralMean();
  const fallback = constant(40);
  assert.equal(mean.value(fallback), fallback);
  mean.add(constant(21, 3));
  mean.add(constant(25, 1));
  assert.deepEqual(mean.value(fallback), constant(22));
  assert.equal(mean.frames, 4);
});

test('each dimension has its own mean', () => {
  const mean = new CepstralMean();
  mean.add(Float32Array.from({ length: 2 * CEPSTRUM_SIZE }, (_, index) => 20 + index));
  assert.deepEqual([...mean.value(constant(0))], Array.from({ length: CEPSTRUM_SIZE }, (_, dimension) => 20 + dimension + CEPSTRUM_SIZE / 2));
});

test('old speech weighs less than half a minute, however long the lane is', () => {
  const mean = new CepstralMean();
  mean.add(constant(22, 100_000));
  mean.age();
  assert.equal(mean.frames, 3000);
  mean.add(constant(20, 3000));
  assert.deepEqual(mean.value(constant(9)), constant(21));
  const young = new CepstralMean();
  young.add(constant(21, 2999));
  young.age();
  assert.equal(young.frames, 2999);
});

test('a state taken is a state apart: what is added later does not change it', () => {
  const mean = new CepstralMean();
  mean.add(constant(22));
  const state = mean.state();
  mean.add(constant(24));
  const other = new CepstralMean(state);
  assert.deepEqual([...other.value(constant(0))], [...constant(22)]);
  other.add(constant(28));
  mean.restore(state);
  assert.deepEqual([...mean.value(constant(0))], [...constant(22)]);
  assert.equal(mean.frames, 1);
});

test('frames below any microphone are left out', () => {
  const mean = new CepstralMean();
  for (const energy of [-20, 0, 9.9, 20]) mean.add(Float32Array.of(energy, ...constant(30).subarray(1)));
  assert.deepEqual([mean.frames, mean.value(constant(0))[0]], [1, 20]);
});
