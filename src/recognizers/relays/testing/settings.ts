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
    // By the hasty clock ten seconds each: only a test that fails waits that long, however busy the machine is.
    connectMs: 200_000,
    silenceMs: 200_000,
    answerMs: 200_000,
    ...changes,
  };
}
