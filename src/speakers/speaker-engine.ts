import type { HeardVoice, VoiceMeasure, Voiceprint } from './voice.ts';

/**
 * Something that knows voices. What is heavy is done outside the server's process; it starts with the first question, so that nothing
 * of it runs where nobody asks for speakers.
 */
export interface SpeakerEngine {
  readonly measure: VoiceMeasure;
  /**
   * The voices in a stretch of speech (16 kHz), phrase by phrase; positions are samples of the stretch. Nothing is remembered of it. Rejects with
   * `BACKEND_UNAVAILABLE` (cannot start), `BACKEND_ERROR` (failed twice on this), `BACKEND_TIMEOUT` or `CAPACITY_EXCEEDED`.
   */
  listen(samples: Int16Array): Promise<readonly HeardVoice[]>;
  /** The number of each print's voice, in order of first appearance. Rejects as `listen`. */
  group(prints: readonly Voiceprint[]): Promise<readonly number[]>;
  /** Idempotent. */
  close(): Promise<void>;
}
