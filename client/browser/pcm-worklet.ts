/** Runs in the audio thread: microphone samples in, 16-bit chunks and levels out. */
import type { CaptureMessage } from './capture-message.ts';

declare const sampleRate: number;
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;
declare abstract class AudioWorkletProcessor {
  readonly port: MessagePort;
  abstract process(inputs: readonly (readonly Float32Array[])[]): boolean;
}

/** A tenth of a second: small against the recognizer's own delay, large against the cost of a message. */
const CHUNK_SAMPLES = Math.round(sampleRate / 10);
/** 30 levels a second look smooth. */
const LEVEL_SAMPLES = Math.round(sampleRate / 30);

class CaptureProcessor extends AudioWorkletProcessor {
  #chunk = new Int16Array(CHUNK_SAMPLES);
  #filled = 0;
  #levelSamples = 0;
  #squares = 0;
  #peak = 0;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.#flush();
      this.#post({ type: 'drained' });
    };
  }

  process(inputs: readonly (readonly Float32Array[])[]): boolean {
    const samples = inputs[0]?.[0];
    if (samples) for (const sample of samples) this.#take(sample);
    return true;
  }

  #take(sample: number): void {
    const clipped = Math.max(-1, Math.min(1, sample));
    this.#chunk[this.#filled] = Math.round(clipped * 32_767);
    this.#filled += 1;
    if (this.#filled === CHUNK_SAMPLES) this.#flush();

    this.#squares += clipped * clipped;
    this.#peak = Math.max(this.#peak, Math.abs(clipped));
    this.#levelSamples += 1;
    if (this.#levelSamples < LEVEL_SAMPLES) return;
    this.#post({ type: 'level', rms: Math.sqrt(this.#squares / this.#levelSamples), peak: this.#peak });
    this.#levelSamples = 0;
    this.#squares = 0;
    this.#peak = 0;
  }

  #flush(): void {
    if (this.#filled === 0) return;
    const samples = this.#chunk.slice(0, this.#filled);
    this.#filled = 0;
    this.#post({ type: 'chunk', samples }, [samples.buffer]);
  }

  #post(message: CaptureMessage, transfer: Transferable[] = []): void {
    this.port.postMessage(message, transfer);
  }
}

registerProcessor('capture', CaptureProcessor);
