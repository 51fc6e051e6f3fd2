import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import type { RecognitionContext } from '../../core/recognizer.ts';
import { RelayStream } from './relay-stream.ts';
import { Relay } from './relay.ts';
import type { RelayDependencies, RelaySettings } from './settings.ts';
import type { StreamProtocol } from './stream-protocol.ts';

/** Upstreams take longer ones; what is awaited and would be replayed after a loss stays small so. */
const MAX_SEGMENT_SAMPLES = 15 * SAMPLE_RATE_HZ;

/** A relay to an upstream that hears while people speak. */
export function createStreamingRelay(settings: RelaySettings, deps: RelayDependencies, protocolFor: (context: RecognitionContext) => StreamProtocol): Relay {
  const { id: relayId, maxSessions, languages, connectMs, silenceMs, answerMs } = settings;
  return new Relay({
    id: relayId,
    maxSessions,
    capabilities: { interims: true, wordTimes: true, wordConfidence: true, languages, maxSegmentSamples: MAX_SEGMENT_SAMPLES },
    openStream: (context, sink) => new RelayStream({ relayId, protocol: protocolFor(context), clock: deps.clock, connectMs, silenceMs, answerMs }, sink),
  });
}
