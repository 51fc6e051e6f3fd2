import { SAMPLE_RATE_HZ, type PcmFrame } from './audio.ts';
import type { Word } from './transcript.ts';

/** What an engine can do, as data. Nothing is claimed that the engine does not do itself. */
export interface RecognizerCapabilities {
  readonly interims: boolean;
  /** False: words carry the times of the stretch that they were heard in, and are marked `untimed`. */
  readonly wordTimes: boolean;
  readonly wordConfidence: boolean;
  /** Languages by ISO 639-1 code. */
  readonly languages: readonly string[];
  /** Longest segment the engine takes without losing speed or accuracy, in samples; longer speech is cut at a pause. */
  readonly maxSegmentSamples: number;
  /** Silence after which a segment should be settled, in ms. Default 250; an engine that is asked over the network wants few, long segments. */
  readonly segmentPauseMs?: number;
}

/** Live sessions are served at once; batch work takes what they leave. */
export type RecognizerPriority = 'live' | 'batch';

/** For whom and what a place is asked. An engine that knows nothing of a field ignores it. */
export interface RecognitionContext {
  readonly tenantId: string;
  /** ISO 639-1 code that the client expects; absent: the engine's own choice. */
  readonly language?: string;
  /** Name of a model of the engine; default: the engine's own choice. */
  readonly model?: string;
  /** Audio that a chunked relay collects before it asks, in seconds. Default: the relay's. */
  readonly chunkSeconds?: number;
}

export interface RecognizerSnapshot {
  /** Can a session be taken now? */
  readonly ready: boolean;
  /** Why not, for people. */
  readonly reason?: string;
  readonly activeSessions: number;
  readonly maxSessions: number;
  /** Engine processes that died and were replaced since the start. */
  readonly restarts: number;
}

/** The model, shared by all sessions. */
export interface Recognizer {
  readonly id: string;
  readonly capabilities: RecognizerCapabilities;
  snapshot(): RecognizerSnapshot;
  /**
   * A place for one session, before any audio flows.
   * Throws `CAPACITY_EXCEEDED` (with `retryAfterSeconds`) when there is none, `BACKEND_UNAVAILABLE` when the engine is down.
   */
  admit(priority: RecognizerPriority, context?: RecognitionContext): RecognizerLease;
  close(): Promise<void>;
}

/** One session's place. `release` is idempotent and closes what is still open. */
export interface RecognizerLease {
  /** What this session gets, where that differs from the recognizer's `capabilities` (a model, a chunk length of its own). */
  readonly capabilities?: RecognizerCapabilities;
  openStream(sink: RecognizerSink): RecognizerStream;
  release(): Promise<void>;
}

/** What a stream tells. Called in order, never after `close` has been called. */
export interface RecognizerSink {
  /** The oldest unsettled segment as heard so far; replaces the one before. No confidences. */
  interim(words: readonly Word[]): void;
  /** The engine was lost; what it had not settled is being fed to another one. */
  recovered(replayedSamples: number): void;
  /**
   * The model found that a segment, the next to settle, is in this language (ISO 639-1). Only from models that identify it themselves, and
   * not where they were told what to expect. Default: nobody listens.
   */
  language?(code: string): void;
  /** The engine is at work and has nothing to tell yet, as while it searches what has ended. Default: nobody listens. */
  atWork?(): void;
}

/**
 * The state of one speaker. The lane writes everything it hears, silence too, so that an engine can follow the
 * background; words are looked for only between `beginSegment` and `endSegment`. Positions are lane samples.
 */
export interface RecognizerStream {
  /**
   * The next stretch of the lane, right after the one before; outside a segment it may jump ahead.
   * Resolves when more may be written. Rejects with `BACKEND_ERROR` once the stream is beyond recovery.
   */
  write(frame: PcmFrame): Promise<void>;
  /** Opens a segment at `startSample`, at most {@link MAX_LOOK_BACK_SAMPLES} before the end of what was written. */
  beginSegment(startSample: number): void;
  /**
   * Nothing was said for a while before `atSample`, the end of what was written; the segment may well end after some more silence. For
   * engines that gain by knowing early; default: nothing is done with it.
   */
  pauseSegment?(atSample: number): void;
  /** The open segment that paused goes on: speech begins at `atSample`, in what was written last. */
  resumeSegment?(atSample: number): void;
  /**
   * Ends the open segment at `endSample` (at most the end of what was written) and resolves with its words, possibly none.
   * The next segment may begin at once, and settle only after this one.
   */
  endSegment(endSample: number): Promise<readonly Word[]>;
  /** Idempotent. Words still awaited are given up: their `endSegment` rejects with `SESSION_CONFLICT`; a waiting `write` resolves. */
  close(): Promise<void>;
}

/** How far back a segment may begin: a forced cut goes back to the last quiet moment. */
export const MAX_LOOK_BACK_SAMPLES = 3 * SAMPLE_RATE_HZ;
