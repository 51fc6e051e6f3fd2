import assert from 'node:assert/strict';
import type { LaneAudio } from '../../../src/core/audio.ts';
import type { RemoteTrack } from '../../../src/core/media-engine.ts';
import { sine } from '../../rtp/testing/opus-encoder.ts';
import { within } from './observed.ts';

/** Reads a track from its beginning until `samples` of it have come. */
export async function hear(track: RemoteTrack, samples: number): Promise<LaneAudio[]> {
  const items: LaneAudio[] = [];
  let next = 0;
  const iterator = track.source[Symbol.asyncIterator]();
  const read = async (): Promise<void> => {
    while (next < samples) {
      const result = await iterator.next();
      if (result.done === true) assert.fail('the track ended early');
      const item: LaneAudio = result.value;
      assert.equal(item.startSample, next, 'items follow one another, from sample 0');
      next += item.kind === 'pcm' ? item.samples.length : item.lengthSamples;
      items.push(item);
    }
  };
  await within(`${String(samples)} samples of ${track.label}`, read());
  return items;
}

/** All samples by lane position, gaps as zeros. */
export function render(items: readonly LaneAudio[]): Int16Array {
  const last = items.at(-1);
  const length = last ? last.startSample + (last.kind === 'pcm' ? last.samples.length : last.lengthSamples) : 0;
  const out = new Int16Array(length);
  for (const item of items) if (item.kind === 'pcm') out.set(item.samples, item.startSample);
  return out;
}

const TONE_MS = 200;
const PAUSE_MS = 200;

/** Lane samples of that many tones, each with its pause. */
export const tonesSamples = (count: number): number => count * (PAUSE_MS + TONE_MS) * 16;

/** One tone after the other with pauses before each, 48 kHz. */
export function tones(frequenciesHz: readonly number[]): Int16Array {
  const pause = new Int16Array(PAUSE_MS * 48);
  return Int16Array.from(frequenciesHz.flatMap((hz) => [...pause, ...sine(TONE_MS * 48, hz, 48_000, 12_000)]));
}

/** The tones are where they were sent, and the pauses are silent. Opus delays by 6.5 ms: the edges are left out. */
export function assertTones(heard: Int16Array, frequenciesHz: readonly number[]): void {
  frequenciesHz.forEach((hz, i) => {
    const from = i * (PAUSE_MS + TONE_MS) * 16;
    const quiet = heard.subarray(from + 40 * 16, from + (PAUSE_MS - 20) * 16);
    const loud = heard.subarray(from + (PAUSE_MS + 40) * 16, from + (PAUSE_MS + TONE_MS - 20) * 16);
    assert.ok(level(quiet) < 500, `silence before tone ${String(i)}: ${String(level(quiet))}`);
    assert.ok(level(loud) > 5000, `level of tone ${String(i)}: ${String(level(loud))}`);
    assert.ok(toneShare(loud, hz) > 0.9, `tone ${String(i)} is ${String(hz)} Hz: ${String(toneShare(loud, hz))}`);
  });
}

const level = (pcm: Int16Array): number => Math.sqrt(pcm.reduce((sum, sample) => sum + sample * sample, 0) / pcm.length);

/** The share of one frequency in the energy of all. */
function toneShare(pcm: Int16Array, frequencyHz: number): number {
  let [re, im] = [0, 0];
  pcm.forEach((sample, i) => {
    const angle = (2 * Math.PI * frequencyHz * i) / 16_000;
    re += sample * Math.cos(angle);
    im += sample * Math.sin(angle);
  });
  return (2 * (re * re + im * im)) / (pcm.length * level(pcm)) ** 2;
}
