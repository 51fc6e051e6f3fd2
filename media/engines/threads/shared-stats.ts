import type { TrackStats } from '../../../src/core/media-engine.ts';

/** A track's statistics where both threads see them, at most 100 ms old while it is heard. Numbers are whole at any time; one that is not known is NaN. */
export type SharedStats = Float64Array<SharedArrayBuffer>;

const COUNTED = [
  'packetsReceived',
  'packetsLost',
  'packetsLate',
  'packetsRecovered',
  'recoveredByFec',
  'recoveredByRed',
  'recoveredByRetransmission',
  'packetsReordered',
  'retransmissionsAsked',
  'concealedSamples',
  'gapSamples',
  'jitterMs',
  'targetDelayMs',
  'bufferMs',
  'driftCorrectionSamples',
  'senderReports',
] as const satisfies readonly (keyof TrackStats)[];
const NULLABLE = ['driftPpm', 'roundTripMs'] as const satisfies readonly (keyof TrackStats)[];

/** After the statistics: when the track's sample 0 was captured, in ms of the calendar, which is the same in every thread. */
const ORIGIN_INDEX = COUNTED.length + NULLABLE.length;

type Named = (typeof COUNTED)[number] | (typeof NULLABLE)[number];

export const createSharedStats = (): SharedStats => new Float64Array(new SharedArrayBuffer((ORIGIN_INDEX + 1) * 8));

/** `originMs`: of the track's source, by this thread's system clock. */
export function writeStats(shared: SharedStats, stats: TrackStats, originMs?: number): void {
  COUNTED.forEach((name, i) => (shared[i] = stats[name]));
  NULLABLE.forEach((name, i) => (shared[COUNTED.length + i] = stats[name] ?? NaN));
  shared[ORIGIN_INDEX] = originMs === undefined ? NaN : performance.timeOrigin + originMs;
}

/** When the track's sample 0 was captured, by this thread's system clock; undefined while it is not known. */
export function readOriginMs(shared: SharedStats): number | undefined {
  const calendarMs = shared[ORIGIN_INDEX] ?? NaN;
  return Number.isNaN(calendarMs) ? undefined : calendarMs - performance.timeOrigin;
}

export function readStats(shared: SharedStats): TrackStats {
  const stats: Partial<Record<Named, number | null>> = {};
  COUNTED.forEach((name, i) => (stats[name] = shared[i] ?? 0));
  NULLABLE.forEach((name, i) => {
    const value = shared[COUNTED.length + i] ?? NaN;
    stats[name] = Number.isNaN(value) ? null : value;
  });
  // A test holds the lists of names against what a source says.
  return stats as TrackStats;
}
