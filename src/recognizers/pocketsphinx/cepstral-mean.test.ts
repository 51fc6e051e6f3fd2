import assert from 'node:assert/strict';
import test from 'node:test';
import { CepstralMean } from './cepstral-mean.ts';
import { CEPSTRUM_SIZE } from './library.ts';

const constant = (value: number, frames = 1): Float32Array => new Float32Array(frames * CEPSTRUM_SIZE).fill(value);

test('before any speech the mean is the fallback, then that of all frames', () => {
  const mean = new CepstralMean();
  const fallback = constant(40);
  assert.equal(mean.value(fallback), fallback);
  mean.add(constant(1, 3));
  mean.add(constant(5, 1));
  assert.deepEqual(mean.value(fallback), constant(2));
  assert.equal(mean.frames, 4);
});

test('each dimension has its own mean', () => {
  const mean = new CepstralMean();
  mean.add(Float32Array.from({ length: 2 * CEPSTRUM_SIZE }, (_, index) => index));
  assert.deepEqual([...mean.value(constant(0))], Array.from({ length: CEPSTRUM_SIZE }, (_, dimension) => dimension + CEPSTRUM_SIZE / 2));
});

test('old speech weighs less than half a minute, however long the lane is', () => {
  const mean = new CepstralMean();
  mean.add(constant(2, 100_000));
  mean.age();
  assert.equal(mean.frames, 3000);
  mean.add(constant(0, 3000));
  assert.deepEqual(mean.value(constant(9)), constant(1));
  const young = new CepstralMean();
  young.add(constant(1, 2999));
  young.age();
  assert.equal(young.frames, 2999);
});

test('a state taken is a state apart: what is added later does not change it', () => {
  const mean = new CepstralMean();
  mean.add(constant(2));
  const state = mean.state();
  mean.add(constant(4));
  const other = new CepstralMean(state);
  assert.deepEqual([...other.value(constant(0))], [...constant(2)]);
  other.add(constant(8));
  mean.restore(state);
  assert.deepEqual([...mean.value(constant(0))], [...constant(2)]);
  assert.equal(mean.frames, 1);
});
