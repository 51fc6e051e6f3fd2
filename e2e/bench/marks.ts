/** A signal whose every half second begins with a mark, and what it tells of the time that audio took. */
import type { LaneRecord } from './ingest-messages.ts';

export const MARK_EVERY_MS = 500;
const MARK_MS = 40;
const MARK_HZ = 1000;
const AMPLITUDE = 12_000;
const LANE_SAMPLES_PER_MS = 16;
/** Marks around one that say together how lane time stands to the sender's: loss may cut any of them. */
const NEIGHBOURS = 4;

/** 16-bit mono as a WAV file. */
export function markedWav(lengthMs: number, sampleRateHz: number): Buffer {
  const samplesPerMs = sampleRateHz / 1000;
  const file = Buffer.alloc(44 + lengthMs * samplesPerMs * 2);
  file.write('RIFF\0\0\0\0WAVEfmt ', 0, 'latin1');
  file.writeUInt32LE(file.length - 8, 4);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(sampleRateHz, 24);
  file.writeUInt32LE(sampleRateHz * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(file.length - 44, 40);
  for (let markMs = MARK_EVERY_MS; markMs + MARK_MS < lengthMs; markMs += MARK_EVERY_MS) {
    for (let i = 0; i < MARK_MS * samplesPerMs; i += 1) {
      file.writeInt16LE(Math.round(AMPLITUDE * Math.cos((2 * Math.PI * MARK_HZ * i) / sampleRateHz)), 44 + (markMs * samplesPerMs + i) * 2);
    }
  }
  return file;
}

/**
 * How old the first sample of each piece of audio was when the lane had it, in ms, ascending. `markedMs`: when the microphone had each mark, by the
 * clock of the record. The codec's look-ahead is in it, because marks are found where the lane has them.
 */
export function laneAges({ items, onsets }: LaneRecord, markedMs: readonly number[]): Float64Array {
  const arrivals = onsets.map((onset) => items.find(([start, samples]) => onset >= start && onset < start + samples)?.[2] ?? NaN);
  // No audio takes as long as from one mark to the next.
  const offsets = onsets.map((onset, i) => {
    const marked = markedMs.findLast((atMs) => atMs < (arrivals[i] ?? NaN));
    return marked === undefined ? NaN : marked - onset / LANE_SAMPLES_PER_MS;
  });
  const steady = offsets.map((_, i) => median(offsets.slice(Math.max(0, i - NEIGHBOURS), i + NEIGHBOURS + 1).filter((offset) => !Number.isNaN(offset))));
  const ages: number[] = [];
  let mark = 0;
  for (const [start, , atMs] of items) {
    if (start < (onsets[0] ?? Infinity) || start > (onsets.at(-1) ?? -Infinity)) continue;
    while (mark + 1 < onsets.length && (onsets[mark + 1] ?? Infinity) <= start) mark += 1;
    ages.push(atMs - (start / LANE_SAMPLES_PER_MS + (steady[mark] ?? NaN)));
  }
  return Float64Array.from(ages).sort();
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
