/** Sample rate of every lane in the core, in hertz. Adapters convert before audio reaches a lane. */
export const SAMPLE_RATE_HZ = 16_000;

/** Samples in one millisecond of lane audio. */
export const SAMPLES_PER_MS = SAMPLE_RATE_HZ / 1000;

/** Mono 16-bit PCM at {@link SAMPLE_RATE_HZ}; `startSample` counts from the lane's first sample. Treated as immutable. */
export interface PcmFrame {
  readonly kind: 'pcm';
  readonly startSample: number;
  readonly samples: Int16Array;
}

/** Why a stretch of lane time carries no audio. */
export type GapCause = 'loss' | 'dtx' | 'mute' | 'overflow';

/** Time that passed without audio: said, never guessed. */
export interface AudioGap {
  readonly kind: 'gap';
  readonly startSample: number;
  /** Negative only from a source that was asked to {@link AudioSource.retract}. */
  readonly lengthSamples: number;
  readonly cause: GapCause;
}

export type LaneAudio = PcmFrame | AudioGap;

/**
 * Audio of one lane, in order: every item starts where the one before it ended, the first at sample 0.
 * `close()` delivers what is queued and then ends the iteration, even if the producer has fallen silent; it is idempotent.
 * An iteration that throws ends the lane with that error after the audio before it was recognized.
 */
export interface AudioSource extends AsyncIterable<LaneAudio> {
  /** End of what is queued for the reader already, in samples; absent where the source does not know. */
  readonly queuedEndSample?: number;
  /**
   * When sample 0 was captured, in ms of the session's clock, as it is known by now; absent where the source does not know, and before
   * its first audio.
   */
  readonly originMs?: number | undefined;
  /**
   * For a reader that holds silence back: from now on silence of cause `mute` is taken back, by a gap of negative length, where it turns out to be sound that
   * came late. Without this the sound follows the silence, and later gaps are shorter. Absent where a source never announces silence.
   */
  retract?(): void;
  close(): void;
}

/** What a sender says about the bytes that follow. `auto` looks at the first bytes. Rate and channels matter for raw encodings only. */
export interface AudioFormat {
  /** `opus-packets`: every chunk of bytes is one Opus packet, without a container around it. */
  readonly container: 'auto' | 'wav' | 'raw' | 'mp3' | 'flac' | 'ogg' | 'mp4' | 'webm' | 'opus-packets';
  /** Encoding of raw samples, little-endian. Default `s16`. */
  readonly encoding?: 'u8' | 's16' | 's24' | 's32' | 'f32' | 'mulaw' | 'alaw';
  /** Frames per second of raw audio. Default 16000; 4000 to 192000. */
  readonly sampleRateHz?: number;
  /** Interleaved channels of raw audio. Default 1; 1 to 8. */
  readonly channels?: number;
  /** Mix all channels into one lane. Default false: a lane each. */
  readonly mixdown?: boolean;
}

/** A decoded stream: one source per channel, all fed in step, so every source must be consumed (or closed). */
export interface DecodedAudio {
  readonly lanes: readonly AudioSource[];
}

/**
 * Turns encoded bytes into lanes while they arrive; memory does not grow with the length of the stream.
 * Resolves as soon as the number of channels is known. Rejects, or ends its sources, with an
 * `EarshotError` coded `AUDIO_EMPTY`, `AUDIO_MALFORMED`, `AUDIO_UNSUPPORTED` or `AUDIO_TRUNCATED`.
 * Backpressure: bytes are pulled only as fast as the lanes are read.
 */
export type AudioDecoder = (
  bytes: AsyncIterable<Uint8Array>,
  format: AudioFormat,
  signal: AbortSignal,
) => Promise<DecodedAudio>;

export const samplesToMs = (samples: number): number => samples / SAMPLES_PER_MS;
export const msToSamples = (ms: number): number => Math.round(ms * SAMPLES_PER_MS);
export const secondsToSamples = (seconds: number): number => Math.round(seconds * SAMPLE_RATE_HZ);
export const samplesToSeconds = (samples: number): number => samples / SAMPLE_RATE_HZ;
