import { createRequire } from 'node:module';

/** What a streaming recognizer has heard of a stream so far. The package has no typings. */
export interface OnlineResult {
  readonly text: string;
  /** A leading blank begins a word. */
  readonly tokens: readonly string[];
  /** Seconds from the start of the stream, one per token, or none. */
  readonly timestamps: readonly number[];
  /** Natural logarithms of probabilities, one per token, or none. */
  readonly ys_probs?: readonly number[];
}

export interface OfflineResult {
  readonly text: string;
  readonly tokens: readonly string[];
  readonly timestamps: readonly number[];
  /** Seconds, one per token, or none. */
  readonly durations?: readonly number[];
  readonly ys_log_probs?: readonly number[];
  /** A code or a tag such as `<|en|>`; empty where the model identifies no language. */
  readonly lang?: string;
}

interface Waveform {
  readonly samples: Float32Array;
  readonly sampleRate: number;
}

export interface SherpaStream {
  acceptWaveform(waveform: Waveform): void;
  setOption(key: string, value: string): void;
}

export interface SherpaOnlineRecognizer {
  createStream(): SherpaStream;
  isReady(stream: SherpaStream): boolean;
  /** All of them must be ready. */
  decodeStreams(streams: readonly SherpaStream[]): void;
  getResult(stream: SherpaStream): OnlineResult;
}

export interface SherpaOfflineRecognizer {
  createStream(): SherpaStream;
  decodeAsync(stream: SherpaStream): Promise<OfflineResult>;
  setConfig(config: object): void;
}

export interface SherpaPunctuation {
  addPunct(text: string): string;
}

export interface SherpaLibrary {
  readonly OnlineRecognizer: new (config: object) => SherpaOnlineRecognizer;
  readonly OfflinePunctuation: new (config: object) => SherpaPunctuation;
  readonly OnlinePunctuation: new (config: object) => SherpaPunctuation;
  readonly OfflineRecognizer: { createAsync(config: object): Promise<SherpaOfflineRecognizer> };
}

/** Loads the native library. Only in engine processes: it ends the process on a model that it cannot use. */
export function loadSherpaOnnx(): SherpaLibrary {
  return createRequire(import.meta.url)('sherpa-onnx-node') as SherpaLibrary;
}

const INT16_SCALE = 1 / 32768;

export function toWaveform(samples: Int16Array, sampleRate: number): Waveform {
  return { samples: Float32Array.from(samples, (sample) => sample * INT16_SCALE), sampleRate };
}
