import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import { SherpaOnnx } from '../sherpa-onnx.ts';
import { FAMILIES } from './families.ts';
import type { ModelDescription } from './model-folder.ts';

export interface Probe {
  /** Time until the model had decoded something, in ms. */
  readonly loadMs: number;
  /** Time that it takes for a second of audio on this machine as it is now, in seconds. Absent for models of text. */
  readonly realTimeFactor?: number;
}

const PROBE_SECONDS = 4;

/** Loads a model in a process of its own and has it decode some noise. Throws `MODEL_UNAVAILABLE` if it cannot be loaded. */
export async function probeModel(model: ModelDescription, folder: string): Promise<Probe> {
  const recognizer = new SherpaOnnx({ model, folder, onEngineExit: () => undefined, onEngineStartFailed: () => undefined });
  try {
    const startedMs = performance.now();
    await recognizer.ready('live');
    const loadedMs = performance.now();
    if (FAMILIES[model.family].mode === 'text') return { loadMs: loadedMs - startedMs };
    const lease = recognizer.admit('live');
    const stream = lease.openStream({ interim: () => undefined, recovered: () => undefined });
    const samples = Int16Array.from({ length: PROBE_SECONDS * SAMPLE_RATE_HZ }, () => 600 * (Math.random() - 0.5));
    stream.beginSegment(0);
    await stream.write({ kind: 'pcm', startSample: 0, samples });
    await stream.endSegment(samples.length);
    const decodedMs = performance.now();
    await lease.release();
    return { loadMs: loadedMs - startedMs, realTimeFactor: (decodedMs - loadedMs) / 1000 / PROBE_SECONDS };
  } finally {
    await recognizer.close();
  }
}
