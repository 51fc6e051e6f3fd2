import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import type { RecognitionContext, RecognizerCapabilities } from '../../core/recognizer.ts';
import { ChunkStream, type TranscribeChunk } from './chunk-stream.ts';
import { Relay } from './relay.ts';
import type { RelaySettings } from './settings.ts';

/** A chunk ends with its utterance or when it is full, not with every breath. */
const MAX_PAUSE_MS = 10_000;
const MIN_CHUNK_SECONDS = 1;

/** A relay that uploads chunks; what is in them is the kind's affair. */
export function createChunkedRelay(settings: RelaySettings, transcriber: (context: RecognitionContext) => TranscribeChunk): Relay {
  const capabilitiesFor = ({ chunkSeconds }: { readonly chunkSeconds?: number }): RecognizerCapabilities => ({
    interims: false,
    wordTimes: settings.wordTimes,
    wordConfidence: false,
    languages: settings.languages,
    maxSegmentSamples: chunkSamples(chunkSeconds ?? settings.chunkSeconds),
    segmentPauseMs: MAX_PAUSE_MS,
  });
  return new Relay({
    id: settings.id,
    maxSessions: settings.maxSessions,
    capabilities: capabilitiesFor({}),
    capabilitiesFor,
    openStream: (context) => new ChunkStream(transcriber(context), chunkSamples(context.chunkSeconds ?? settings.chunkSeconds)),
  });
}

const chunkSamples = (chunkSeconds: number): number => Math.round(Math.max(MIN_CHUNK_SECONDS, chunkSeconds) * SAMPLE_RATE_HZ);

