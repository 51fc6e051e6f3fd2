import type { RelayKind, RelaySettings } from '../settings.ts';

/** Settings of a relay to an upstream of the tests. */
export function relaySettings(kind: RelayKind, url: string, changes: Partial<RelaySettings> = {}): RelaySettings {
  return {
    id: kind,
    kind,
    url,
    languages: ['en'],
    maxSessions: 4,
    chunkSeconds: 5,
    wordTimes: true,
    connectMs: 5000,
    silenceMs: 5000,
    answerMs: 10_000,
    ...changes,
  };
}
