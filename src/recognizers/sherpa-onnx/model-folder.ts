import { EarshotError } from '../../core/errors.ts';
import { FAMILIES, type ModelFamily } from './families.ts';
import { languagesOf } from './languages.ts';
import type { ModelManifest } from './manifest.ts';

/** What a folder was recognized as. */
export interface ModelDescription {
  /** Name of the folder. */
  readonly name: string;
  readonly displayName: string;
  readonly family: ModelFamily;
  /** ISO 639-1 codes; empty where nothing tells: such a model serves only who names it. */
  readonly languages: readonly string[];
  /** Files by their role, relative to the folder. */
  readonly files: Readonly<Record<string, string>>;
  readonly manifest: ModelManifest;
}

/** How the names of folders tell the family, for each set of files that several families share. The first that matches decides. */
const SINGLE_FILE: readonly (readonly [RegExp, ModelFamily])[] = [
  [/punct.*ct-transformer|ct-transformer.*punct/, 'punctuation'],
  [/sense-?voice/, 'sense-voice'],
  [/t-one/, 'streaming-t-one-ctc'],
  [/telespeech/, 'telespeech-ctc'],
  [/dolphin/, 'dolphin-ctc'],
  [/fire-?red.*ctc/, 'fire-red-ctc'],
  [/paraformer/, 'paraformer'],
  [/(?<!non-)streaming.*zipformer|zipformer.*(?<!non-)streaming/, 'streaming-zipformer-ctc'],
  [/zipformer/, 'zipformer-ctc'],
  [/wenet/, 'wenet-ctc'],
  [/nemo.*(?<!non-)streaming/, 'streaming-nemo-ctc'],
  [/nemo|parakeet|citrinet|fastconformer|giga-?am/, 'nemo-ctc'],
];
const STREAMING_TRANSDUCER = /(?<!non-)streaming|lstm|chunk-\d+-left-\d+/;
const NEMO_TRANSDUCER = /nemo|parakeet|giga-?am|fastconformer/;
const ONNX = /\.(onnx|ort)$/;
/** Recordings and scripts that come with models. */
const BESIDE = /(^|\/)(test_wavs|\.git|\._[^/]*)(\/|$)/;

/**
 * What kind of model a folder holds, by the names of the folder and of its files (paths relative to it), as sherpa-onnx publishes them;
 * what the manifest says comes first. Throws `MODEL_UNAVAILABLE` that says what is missing.
 */
export function describeModel(name: string, paths: readonly string[], manifest: ModelManifest = {}): ModelDescription {
  const files = paths.filter((path) => !BESIDE.test(path));
  const family = manifest.family ?? familyOf(name.toLowerCase(), files);
  if (!family) {
    throw new EarshotError('MODEL_UNAVAILABLE', `"${name}" is not recognized as a model; a manifest.json with its "family" would tell.`);
  }
  return {
    name,
    displayName: manifest.displayName ?? name,
    family,
    languages: manifest.languages ?? languagesOf(name, family),
    files: filesOf(name, family, files, manifest),
    manifest,
  };
}

function familyOf(name: string, paths: readonly string[]): ModelFamily | undefined {
  const has = (pattern: RegExp): boolean => paths.some((path) => pattern.test(baseOf(path)));
  const models = paths.filter((path) => ONNX.test(path)).map(baseOf);
  if (has(/^preprocess.*\.onnx$/) && has(/^uncached_decode/)) return 'moonshine';
  if (has(/^decoder_model_merged/)) return 'moonshine-merged';
  if (has(/^bpe\.vocab$/) && name.includes('punct')) return 'streaming-punctuation';
  if (has(/^joiner.*\.onnx$/)) {
    if (STREAMING_TRANSDUCER.test(name) || models.some((file) => STREAMING_TRANSDUCER.test(file))) return 'streaming-transducer';
    return NEMO_TRANSDUCER.test(name) ? 'nemo-transducer' : 'transducer';
  }
  if (has(/encoder.*\.onnx$/) && has(/decoder.*\.onnx$/)) {
    if (has(/.-tokens\.txt$/) || name.includes('whisper')) return 'whisper';
    if (name.includes('paraformer')) return 'streaming-paraformer';
    if (name.includes('canary')) return 'canary';
    return /fire-?red/.test(name) ? 'fire-red' : undefined;
  }
  if (models.length === 0) return undefined;
  return SINGLE_FILE.find(([pattern]) => pattern.test(name))?.[1];
}

function filesOf(name: string, family: ModelFamily, paths: readonly string[], manifest: ModelManifest): Record<string, string> {
  const files: Record<string, string> = {};
  for (const [role, pattern] of Object.entries(FAMILIES[family].files)) {
    const named = manifest.files?.[role];
    const candidates = paths.filter((path) => pattern.test(baseOf(path)) && (ONNX.test(path) || /^(tokens|bpeVocab)$/.test(role)));
    const file = named === undefined ? best(candidates, role, family, manifest) : paths.find((path) => path === named);
    if (file === undefined) {
      throw new EarshotError('MODEL_UNAVAILABLE', `"${name}" is a ${family} model and lacks its file for "${role}"${named === undefined ? '' : `: ${named}`}.`);
    }
    files[role] = file;
  }
  return files;
}

/** Of several precisions int8, half the time for nearly the same words; but a transducer's small decoder loses by it and saves nothing. */
function best(candidates: readonly string[], role: string, family: ModelFamily, { precision }: ModelManifest): string | undefined {
  const plainFirst = role === 'decoder' && family.includes('transducer');
  const order = precision === undefined ? (plainFirst ? ['fp32', 'int8', 'fp16'] : ['int8', 'fp32', 'fp16']) : [precision, 'fp32', 'int8', 'fp16'];
  const sorted = [...candidates].sort((one, other) => order.indexOf(precisionOf(one)) - order.indexOf(precisionOf(other)) || one.length - other.length || (one < other ? -1 : 1));
  return sorted[0];
}

function precisionOf(path: string): string {
  if (baseOf(path).includes('int8')) return 'int8';
  return baseOf(path).includes('fp16') ? 'fp16' : 'fp32';
}

const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
