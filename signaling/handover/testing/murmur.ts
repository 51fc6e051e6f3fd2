import { msToSamples } from '../../../src/core/audio.ts';

/** Sound with the two properties of speech that matter to a seam: it never repeats itself, and it comes in syllables. */
export function murmur(ms: number, seed = 1): Int16Array {
  let state = seed * 2_654_435;
  let low = 0;
  return Int16Array.from({ length: msToSamples(ms) }, (_, index) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    low += 0.12 * ((state / 2_147_483_648) * 20_000 - low);
    return low * (0.3 + Math.abs(Math.sin(index / 1500)));
  });
}

/** As a codec might give it back: softer, duller, with noise of its own. */
export function coded(samples: Int16Array): Int16Array {
  let before = 0;
  return samples.map((sample, index) => {
    const out = 0.6 * sample + 0.2 * before + ((index * 7919) % 200) - 100;
    before = sample;
    return out;
  });
}
