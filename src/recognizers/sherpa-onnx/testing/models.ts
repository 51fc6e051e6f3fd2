import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SAMPLE_RATE_HZ } from '../../../core/audio.ts';
import { joined, quiet } from '../../../core/testing/audio.ts';
import { SherpaOnnx, type SherpaOnnxOptions } from '../../sherpa-onnx.ts';
import type { ModelManifest } from '../manifest.ts';
import { describeModel, type ModelDescription } from '../model-folder.ts';
import { type ModelFiles, TONES_HZ, writeModel } from './tiny-models.ts';

/** Writes the files into a folder of that name, somewhere temporary. */
export function installed(name: string, files: ModelFiles, manifest?: ModelManifest): { readonly model: ModelDescription; readonly folder: string } {
  const folder = writeModel(join(mkdtempSync(join(tmpdir(), 'earshot-model-')), name), files);
  return { model: describeModel(name, Object.keys(files), manifest ?? { languages: ['en'] }), folder };
}

export function recognizerOf(name: string, files: ModelFiles, options: Partial<SherpaOnnxOptions> & { readonly manifest?: ModelManifest } = {}): SherpaOnnx {
  const { manifest, ...rest } = options;
  return new SherpaOnnx({ ...installed(name, files, manifest), onEngineExit: () => undefined, onEngineStartFailed: () => undefined, ...rest });
}

/** The tone that a tiny model hears as the token of that index, counted from 0. */
export function tone(index: number, ms: number): Int16Array {
  const hz = TONES_HZ[index] ?? 0;
  return Int16Array.from({ length: (ms * SAMPLE_RATE_HZ) / 1000 }, (_, sample) => 10_000 * Math.sin((2 * Math.PI * hz * sample) / SAMPLE_RATE_HZ));
}

/** What tiny models hear as `low middle high`. */
export const TONES = joined(quiet(200), tone(0, 300), quiet(200), tone(1, 200), tone(2, 200), quiet(200), tone(3, 300), quiet(400));
