/** Length of the window a detector judges, in samples (32 ms). */
export const DETECTOR_WINDOW_SAMPLES = 512;

/** Tells speech from everything else, window by window. Holds the state of one lane. */
export interface SpeechDetector {
  /** True if the window (exactly {@link DETECTOR_WINDOW_SAMPLES} samples) holds speech. Windows are consecutive. */
  isSpeech(window: Int16Array): boolean;
  /** Forget what was heard, as after a long gap. */
  reset(): void;
  close(): void;
}

export type SpeechDetectorFactory = () => SpeechDetector;
