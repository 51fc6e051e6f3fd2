import { isObject } from '../frames.ts';

/** What the server counted of a lane since it began; what is in ms is as it is now. The protocol's `stats` says more of each. */
export interface LaneStats {
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly packetsLate: number;
  readonly recoveredByFec: number;
  readonly recoveredByRed: number;
  readonly recoveredByRetransmission: number;
  readonly concealedMs: number;
  readonly jitterMs: number;
  readonly targetDelayMs: number;
  /** Undefined until they are known. */
  readonly driftPpm: number | undefined;
  readonly roundTripMs: number | undefined;
}

const SAMPLES_PER_MS = 16;

/** Of the first track of an answer to `GET webrtc/sessions/{id}/stats`; undefined if it has none. */
export function parseLaneStats(data: unknown): LaneStats | undefined {
  const tracks = isObject(data) && isObject(data['tracks']) ? Object.values(data['tracks']) : [];
  const [fields] = tracks;
  if (!isObject(fields)) return undefined;
  const known = (name: string): number | undefined => (typeof fields[name] === 'number' ? fields[name] : undefined);
  const count = (name: string): number => known(name) ?? 0;
  return {
    packetsReceived: count('packetsReceived'),
    packetsLost: count('packetsLost'),
    packetsLate: count('packetsLate'),
    recoveredByFec: count('recoveredByFec'),
    recoveredByRed: count('recoveredByRed'),
    recoveredByRetransmission: count('recoveredByRetransmission'),
    concealedMs: count('concealedSamples') / SAMPLES_PER_MS,
    jitterMs: count('jitterMs'),
    targetDelayMs: count('targetDelayMs'),
    driftPpm: known('driftPpm'),
    roundTripMs: known('roundTripMs'),
  };
}
