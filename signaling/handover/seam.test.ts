import assert from 'node:assert/strict';
import test from 'node:test';
import { msToSamples } from '../../src/core/audio.ts';
import { joined, quiet } from '../../src/core/testing/audio.ts';
import { findSeam } from './seam.ts';
import { coded, murmur } from './testing/murmur.ts';

const SPOKEN = murmur(12_000);
const between = (fromMs: number, toMs: number): Int16Array => SPOKEN.subarray(msToSamples(fromMs), msToSamples(toMs));

test('the end of what was heard is found in the replay to the sample', async () => {
  for (const [heardToMs, replayFromMs] of [[6000, 2000], [6001.25, 3999.5], [7000, 5000]] as const) {
    const seam = await findSeam(coded(between(2000, heardToMs)), between(replayFromMs, 12_000));
    assert.equal(seam?.at, msToSamples(heardToMs) - msToSamples(replayFromMs));
    assert.ok(seam.likeness > 0.9, String(seam.likeness));
  }
});

test('sound that lacks a few milliseconds is less alike where it is, and not at all elsewhere', async () => {
  const heard = joined(between(2000, 5000), between(5010, 6000));
  const seam = await findSeam(heard, between(2000, 12_000));
  assert.ok(seam && seam.likeness < 0.85 && seam.likeness > 0.5, String(seam?.likeness));
  assert.equal(seam.at, msToSamples(4000));
  assert.ok(seam.rival < seam.likeness / 2, String(seam.rival));
});

test('it is found behind silence, by what came before that', async () => {
  const heard = joined(between(3000, 5000), quiet(1900));
  assert.equal((await findSeam(heard, joined(between(2000, 5000), quiet(1900), between(5000, 7000))))?.at, msToSamples(4900));
});

test('a short beginning is enough', async () => {
  assert.equal((await findSeam(coded(between(0, 400)), between(0, 3000)))?.at, msToSamples(400));
});

test('silence, another sound, and a replay that ends before it have no seam', async () => {
  assert.equal(await findSeam(quiet(4000), between(0, 8000)), undefined);
  assert.equal(await findSeam(new Int16Array(0), between(0, 8000)), undefined);
  const other = await findSeam(murmur(4000, 7), between(0, 8000));
  assert.ok(other === undefined || other.likeness < 0.3);
  assert.equal(await findSeam(between(2000, 6000), between(0, 1000)), undefined);
});
