import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { EarshotError } from '../../src/core/errors.ts';
import {
  DETECTOR_WINDOW_SAMPLES,
  type SpeechDetector,
  type SpeechDetectorFactory,
} from '../../src/core/speech-detector.ts';
import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';

export interface SileroOptions {
  /** Detectors made ahead, so that a new lane does not wait 50 to 100 ms for one. Default 2. */
  readonly spare?: number;
  /** Probability from which a window counts as speech. Default 0.25: weak words are heard, and noise of all colours still is none. */
  readonly threshold?: number;
}

/** The part of sherpa-onnx's `Vad` that is used here; the package has no typings of it. */
interface SherpaVad {
  acceptWaveform(samples: Float32Array): void;
  isDetected(): boolean;
  isEmpty(): boolean;
  pop(): void;
  reset(): void;
}

/** The network judges one window; speech or silence must last this long before the verdict turns (two windows). */
const MIN_TURN_SECONDS = 0.05;
/** It keeps the speech of a turn in memory; a longer turn is split, which changes no verdict. */
const MAX_TURN_SECONDS = 25;
const INT16_SCALE = 1 / 32768;

/**
 * Silero VAD v5 in sherpa-onnx: 70 µs of CPU per 32 ms window and 11 MB per detector.
 * Detectors are reused: a lane leases one and gives it back. Throws `BACKEND_UNAVAILABLE` if the model file is missing,
 * because sherpa-onnx itself would log that and then hear silence for ever.
 */
export function createSileroDetectors(options: SileroOptions = {}): SpeechDetectorFactory {
  const require = createRequire(import.meta.url);
  const model = require.resolve('@ricky0123/vad-web/dist/silero_vad_v5.onnx');
  if (!existsSync(model)) {
    throw new EarshotError('BACKEND_UNAVAILABLE', 'The model of the speech detector is missing; run npm ci.');
  }
  const { Vad } = require('sherpa-onnx-node') as { Vad: new (config: object, bufferSeconds: number) => SherpaVad };
  const sileroVad = {
    model,
    threshold: options.threshold ?? 0.25,
    minSilenceDuration: MIN_TURN_SECONDS,
    minSpeechDuration: MIN_TURN_SECONDS,
    maxSpeechDuration: MAX_TURN_SECONDS,
    windowSize: DETECTOR_WINDOW_SAMPLES,
  };
  const make = (): SherpaVad => new Vad({ sileroVad, sampleRate: SAMPLE_RATE_HZ, numThreads: 1, debug: 0 }, MAX_TURN_SECONDS + 5);
  const idle = Array.from({ length: options.spare ?? 2 }, make);
  return () => new Silero(idle.pop() ?? make(), (vad) => idle.push(vad));
}

class Silero implements SpeechDetector {
  #vad: SherpaVad | undefined;
  readonly #giveBack: (vad: SherpaVad) => void;
  readonly #floats = new Float32Array(DETECTOR_WINDOW_SAMPLES);

  constructor(vad: SherpaVad, giveBack: (vad: SherpaVad) => void) {
    this.#vad = vad;
    this.#giveBack = giveBack;
  }

  isSpeech(window: Int16Array): boolean {
    const vad = this.#vad;
    if (!vad) return false;
    for (let i = 0; i < DETECTOR_WINDOW_SAMPLES; i += 1) this.#floats[i] = (window[i] ?? 0) * INT16_SCALE;
    vad.acceptWaveform(this.#floats);
    // It collects the speech it found; only the verdict is wanted.
    while (!vad.isEmpty()) vad.pop();
    return vad.isDetected();
  }

  reset(): void {
    this.#vad?.reset();
  }

  close(): void {
    if (!this.#vad) return;
    this.#vad.reset();
    this.#giveBack(this.#vad);
    this.#vad = undefined;
  }
}
