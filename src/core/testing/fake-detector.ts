import type { SpeechDetector, SpeechDetectorFactory } from '../speech-detector.ts';

/** Loud is speech. Counts what is made, closed and reset. */
export class FakeDetectors {
  made = 0;
  closed = 0;
  resets = 0;

  readonly create: SpeechDetectorFactory = (): SpeechDetector => {
    this.made += 1;
    return {
      isSpeech: (window) => window.reduce((sum, sample) => sum + Math.abs(sample), 0) / window.length > 500,
      reset: () => {
        this.resets += 1;
      },
      close: () => {
        this.closed += 1;
      },
    };
  };
}
